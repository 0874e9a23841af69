"""What is measured of versions: each kind of result is one class, with its figures, its row and its points."""

from __future__ import annotations

from typing import Any

from fakeoff.protocols.measures.audits import Audit
from fakeoff.protocols.measures.cost import Cost
from fakeoff.protocols.measures.localisation import Localisation
from fakeoff.protocols.measures.looks import Look, Shift
from fakeoff.protocols.measures.match import Judged, Match
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.postprocessed import PostprocessedMatch
from fakeoff.protocols.measures.quality import QualityGate
from fakeoff.protocols.measures.search import Search

MEASURES: tuple[type[Measured[Any]], ...] = (
    Cost,
    Audit,
    Match,
    Look,
    Shift,
    QualityGate,
    Search,
    Localisation,
    PostprocessedMatch,
)
"""All of them, in the order of the scoreboard's sections."""

__all__ = [
    "MEASURES",
    "Audit",
    "Cost",
    "Judged",
    "Kept",
    "Localisation",
    "Look",
    "Match",
    "Measured",
    "PostprocessedMatch",
    "QualityGate",
    "Search",
    "Shift",
]
