"""Jobs: what they are, what they may take, where they run, and where their results are kept."""

from fakeoff.arena.jobs.job import (
    Context,
    Job,
    Outcome,
    Report,
    Result,
    execute,
    hand_over,
    import_house,
)

__all__ = [
    "Context",
    "Job",
    "Outcome",
    "Report",
    "Result",
    "execute",
    "hand_over",
    "import_house",
]
