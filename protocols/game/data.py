"""What is said of the reals, and no play on pools that leak."""

from __future__ import annotations

from typing import Any

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images import Colour
from fakeoff.arena.images.reals import SPLITS, RealSource
from fakeoff.arena.seeds import digest
from fakeoff.protocols.forensics.report import AuditReport


def refuse_leak(label: str, report: AuditReport) -> None:
    """Refuses to play on pools that can be told apart by format alone.

    Args:
        label: Of the generator version.
        report: Its audit's.

    Raises:
        ConfigError: There is a leak.
    """
    for leak in report.leaks:
        raise ConfigError(
            f"the real pools and those of {label} can be told apart by format alone: "
            f"{leak.sentence}; {leak.advice}; to play all the same: --allow-leaks"
        )


def describe_reals(source: RealSource, *, colour: Colour) -> dict[str, Any]:
    """What is kept of the reals: hashes, counts and the split; nothing of this machine.

    Args:
        source: The reals.
        colour: The arena's.
    """
    return {
        "source": source.name,
        "colour": colour,
        "split": {
            split: {
                "groups": list(source.groups(split)),
                "photographs": len(source.photographs[split]),
                "sha256": digest(source.key(split)),
            }
            for split in SPLITS
        },
        "left_out": len(source.left_out),
    }
