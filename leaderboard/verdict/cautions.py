"""What a reader has to be warned of, and what the figures cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakeoff.arena.images.splits import doubt_of_test
from fakeoff.leaderboard.home.challenges import Challenge
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.doubts import (
    tell_below_chance,
    tell_idle_attacks,
    tell_off_centre,
    tell_unfinished,
    tell_untrained,
)
from fakeoff.leaderboard.verdict.words import counted, listed, source_name, version

_FEW = 20
"""Below so many people, intervals are wide and chance has a large say in who is ahead."""


@dataclass(frozen=True, kw_only=True)
class Caution:
    """Something that a figure is not to be read without.

    Attributes:
        kind: One word that is shown before it.
        text: A sentence.
        grave: Whether figures may be worth nothing for it.
    """

    kind: str
    text: str
    grave: bool = False


def find_cautions(scoreboard: Scoreboard, challenges: Sequence[Challenge] = ()) -> list[Caution]:
    """All warnings, the gravest first.

    Args:
        scoreboard: What was found.
        challenges: Of its detectors, as far as the home keeps any.
    """
    found = [*_leaks(scoreboard), *_masking(scoreboard), *_challenges(challenges)]
    found += [*_doubts(scoreboard), *_forfeits(scoreboard), *_places(scoreboard), *_fragility(scoreboard)]
    return sorted([*found, *_people(scoreboard)], key=lambda caution: not caution.grave)


def find_limits(scoreboard: Scoreboard) -> list[str]:
    """What the figures cannot tell, a sentence each."""
    config, source = scoreboard.config, source_name(scoreboard.data.get("source", "unknown"))
    limits = [
        f"All of it is one game from one seed ({config.get('seed', 0)}). Trained again from another seed, players come "
        "out differently, and the intervals do not say how much: fakeoff run --seeds 5 does.",
        "Detectors are held against the generators of this game alone. What they make of any other is not known.",
        _attack(scoreboard),
        "Reals and fakes weigh the same in every figure. Where one image in a thousand is fake, most of what a "
        "detector calls fake may be real.",
        f"The photographs come from one source, {source}: other cameras and other faces were not tried.",
    ]
    return [limit for limit in limits if limit]


def who_was_tested(scoreboard: Scoreboard) -> str:
    """On how many images of how many people everything was measured."""
    test = _test(scoreboard)
    if not test:
        return ""
    groups, photographs = len(test.get("groups", ())), int(test.get("photographs", 0))
    fakes = scoreboard.config.get("pools", {}).get("test_fakes")
    said = f"{counted(photographs, 'photograph')}{_of_people(scoreboard, groups)}"
    return said + (f" and {fakes} fakes of each generator version" if fakes else "")


def what_intervals_are(scoreboard: Scoreboard) -> str:
    """What was drawn again for the intervals."""
    sure = f"{100 * scoreboard.confidence:g}% intervals"
    units = {cell.real_units for cell in scoreboard.cells if cell.real_units is not None}
    if not units:
        return (
            f"Beside figures stand {sure}. This file is from before they were over people: images were drawn as if "
            "photographs of the same person had nothing in common, so the intervals are too narrow."
        )
    many = max(units)
    people = _knows_people(scoreboard) and many == len(_test(scoreboard).get("groups", ()))
    whom = f"the {counted(many, 'person', 'people')} of the test" if people else f"{many} images, each by itself,"
    return (
        f"Beside figures stand {sure}: what other figures might have come out if {whom} had been others. A figure at "
        "its edge is told as “1.000, at least 0.870”."
    )


def _leaks(scoreboard: Scoreboard) -> Iterator[Caution]:
    if scoreboard.cells and not scoreboard.audits:
        yield Caution(
            kind="Not audited",
            text="Nobody checked whether file format alone tells reals from fakes; every detector may be that good.",
            grave=True,
        )
    for audit in scoreboard.audits:
        for leak in audit.leaks:
            name = version(audit.generator, audit.generator_round)
            text = f"Format alone tells {name} from its reals: {leak}. Figures against it say nothing about faces."
            yield Caution(kind="Leak", text=text, grave=True)


def _masking(scoreboard: Scoreboard) -> Iterator[Caution]:
    for one in scoreboard.masking:
        yield Caution(kind="Masked gradient", text=f"{one.sentence}.", grave=True)


def _fragility(scoreboard: Scoreboard) -> Iterator[Caution]:
    for row in scoreboard.detectors:
        if row.fragility:
            yield Caution(kind="Fragile traces", text=f"{row.fragility}.", grave=True)


def _challenges(challenges: Sequence[Challenge]) -> Iterator[Caution]:
    for one in challenges:
        yield Caution(kind="Challenged", text=one.sentence, grave=not one.stands)


def _doubts(scoreboard: Scoreboard) -> Iterator[Caution]:
    for text in tell_untrained(scoreboard):
        yield Caution(kind="Untrained", text=text, grave=True)
    for text in tell_below_chance(scoreboard):
        yield Caution(kind="Below chance", text=text, grave=True)
    for text in tell_off_centre(scoreboard):
        yield Caution(kind="Off centre", text=text)
    for text in tell_unfinished(scoreboard):
        yield Caution(kind="Unfinished", text=text)
    for text in tell_idle_attacks(scoreboard):
        yield Caution(kind="Idle attack", text=text)


def _forfeits(scoreboard: Scoreboard) -> Iterator[Caution]:
    for one in scoreboard.forfeits:
        against = f" on {one.against}" if one.against else ""
        text = f"{one.player} failed in round {one.round} ({one.stage}{against}): {one.reason}"
        yield Caution(kind="Forfeit", text=text)


def _places(scoreboard: Scoreboard) -> Iterator[Caution]:
    alike: dict[tuple[str, str, str], list[int]] = {}
    for one in scoreboard.unranked:
        alike.setdefault((one.kind, one.player, one.reason), []).append(one.round)
    for (_, player, reason), rounds in alike.items():
        who = listed([version(player, round_) for round_ in rounds])
        takes = "takes no place, and its" if len(rounds) == 1 else "take no place, and their"
        yield Caution(kind="Unranked", text=f"{who} {takes} matches count for nobody: {reason}")
    for passed in scoreboard.passed_over:
        yield Caution(kind="Passed over", text=f"{passed.detector} in round {passed.round}: {passed.reason}")


def _people(scoreboard: Scoreboard) -> Iterator[Caution]:
    test, knows = _test(scoreboard), _knows_people(scoreboard)
    groups = len(test.get("groups", ()))
    for doubt in doubt_of_test(int(test.get("photographs", 0)), groups if knows else None) if test else ():
        yield Caution(kind="Too few", text=f"{doubt[0].upper()}{doubt[1:]}.", grave=True)
        return
    if test and groups < _FEW and knows:
        text = (
            f"All is measured on photographs of {counted(groups, 'person', 'people')}. Whether a figure would hold for "
            "other people is uncertain by as much as its interval says, and small differences mean nothing."
        )
        yield Caution(kind="Few people", text=text)


def _attack(scoreboard: Scoreboard) -> str:
    if not scoreboard.attacks:
        return "Nobody attacked: how the detectors stand an attack is not known."
    steps = scoreboard.config.get("attack", {}).get("steps")
    length = f" of at most {steps} steps" if steps else ""
    return f"The attacks were finetunings{length}. A detector that stood them may fall to a longer or another one."


def _of_people(scoreboard: Scoreboard, groups: int) -> str:
    return f" of {counted(groups, 'person', 'people')}" if _knows_people(scoreboard) else ""


def _knows_people(scoreboard: Scoreboard) -> bool:
    """Whether it is known who is on the photographs; where each is a group, nobody said so."""
    test, reals = _test(scoreboard), scoreboard.config.get("reals", {})
    said = reals.get("split_by", "folder") == "folder" or reals.get("group") or reals.get("table")
    return bool(said) and len(test.get("groups", ())) < int(test.get("photographs", 0))


def _test(scoreboard: Scoreboard) -> Mapping[str, Any]:
    return dict(scoreboard.data.get("split", {}).get("test", {}))


__all__ = ["Caution", "find_cautions", "find_limits", "what_intervals_are", "who_was_tested"]
