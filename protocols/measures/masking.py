"""Gradient masking: detectors that look robust because their gradient leads attacks nowhere.

Whoever sees more of a detector should fool it better. Where an attack that follows its gradient gains nothing, and one
that sees scores alone, or was made for another detector, fools it, the gradient is masked, and the robustness is not
there (Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML 2018, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from fakeoff.detectors.attackable import ZERO_GRADIENT
from fakeoff.protocols.measures.search import FoundFakes
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Version
from fakeoff.protocols.score.falls import Fall, measure_fall

Means: TypeAlias = Literal["attack", "followed", "search", "transfer", "joint"]
"""How somebody tried: an attack of Eq. 4 on it alone; its gradient, followed over latents; a search of latents; an
attack of Eq. 4 on others; one on it and others at once, whose gradients it may have followed instead."""

SMALL = 0.1
"""An attack did not move a detector where its interval reaches down to this fall of the recall of fakes."""

GAP = 0.2
"""So much further another one must move it, with an interval that lies wholly above."""

_IN_WORDS: dict[Means, str] = {
    "attack": "the attack that made {}, along its gradient,",
    "followed": "following its gradient over the latents of {}",
    "search": "a search of the latents of {}, by scores alone,",
    "transfer": "the attack that made {}, against another detector,",
    "joint": "the attack that made {}, against it and others at once,",
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What an attack did to a detector version's recall of fakes, at 0.5.

    Attributes:
        means: Of the attack.
        generator: The version whose fakes they are, such as ``pgan@1``; of a search, whose latents.
        fall: Of the recall.
        p_fake: Mean P(fake) afterwards, of latents that were searched or followed; None of other attacks.
    """

    means: Means
    generator: str
    fall: Fall
    p_fake: float | None = None


@dataclass(frozen=True, kw_only=True)
class Masking:
    """A detector version that masks its gradient, by what moved it and what did not.

    Attributes:
        detector: Its name.
        detector_round: Its version.
        by_gradient: The strongest of the attacks along its gradient.
        without: The strongest that did not.
    """

    detector: str
    detector_round: int
    by_gradient: Attempt
    without: Attempt

    @property
    def sentence(self) -> str:
        """What is to be said of it, in one line."""
        return (
            f"{self.detector}@{self.detector_round} masks its gradient, and is less robust than attacks make it look: "
            f"{_in_words(self.by_gradient)}; {_in_words(self.without)}"
        )


def find_masking(record: TournamentRecord) -> list[Masking]:
    """Finds the detector versions that mask their gradient, by name and version.

    Attacks along such a version's gradient did not move it (:data:`SMALL`); a search by scores alone, or an attack
    against another detector, moved it further by :data:`GAP`, beyond both intervals. Where its gradient was followed
    over the latents that were searched, it must have been worth less than the search at the same budget, in mean
    P(fake): else the attacks were weak, and the gradient is not masked. Where nobody attacked it alone, that takes the
    place of attacks. Matches of who is unranked do not count. Who says that it has no gradient masks none; one that is
    zero, of who does not say so, is a gradient that leads nowhere.
    """
    unranked = {(one.kind, one.player, one.round) for one in record.unranked}
    found = []
    for version in record.versions:
        if version.kind == "detector" and (version.kind, version.player, version.round) not in unranked:
            masking = judge_attempts(version, list(_attempts(version, record, unranked=unranked)))
            found += [] if masking is None else [masking]
    return sorted(found, key=lambda one: (one.detector, one.detector_round))


def judge_attempts(detector: Version, attempts: list[Attempt]) -> Masking | None:
    """Whether what was tried on a detector version says that it masks its gradient.

    Args:
        detector: Which.
        attempts: All of them.

    Returns:
        None where it does not say so.
    """
    of = {means: [attempt for attempt in attempts if attempt.means == means] for means in get_args(Means)}
    by_gradient = of["attack"] or of["followed"]
    without = [*of["search"], *of["transfer"], *of["joint"]]
    if not by_gradient or not without or _is_worth_more(of["followed"], of["search"]):
        return None
    strongest, other = (max(tried, key=lambda one: one.fall.size) for tried in (by_gradient, without))
    moved = any(attempt.fall.ci[0] > SMALL for attempt in by_gradient)
    further = other.fall.size - strongest.fall.size >= GAP
    apart = all(other.fall.ci[0] > attempt.fall.ci[1] for attempt in by_gradient)
    if moved or not further or not apart:
        return None
    return Masking(detector=detector.player, detector_round=detector.round, by_gradient=strongest, without=other)


def _is_worth_more(followed: Sequence[Attempt], searched: Sequence[Attempt]) -> bool:
    """Whether a gradient fooled a detector at least as well as scores alone did, from the same latents."""
    found = {attempt.generator: attempt.p_fake for attempt in searched}
    pairs = [(one.p_fake, found.get(one.generator)) for one in followed]
    return any(along is not None and alone is not None and along <= alone for along, alone in pairs)


def _attempts(
    detector: Version, record: TournamentRecord, *, unranked: Set[tuple[Kind, str, int]]
) -> Iterator[Attempt]:
    confidence = record.config.score.confidence
    recalls = {
        match.generator.label: (match.figures.recall_fake, match.figures.n_fake)
        for match in record.matches
        if match.detector.label == detector.label
        and (match.generator.kind, match.generator.player, match.generator.round) not in unranked
    }
    for version in record.versions:
        before = f"{version.player}@{version.round - 1}"
        if version.kind == "generator" and version.targets and {version.label, before} <= recalls.keys():
            means: Means = "transfer" if detector.label not in version.targets else "joint"
            means = "attack" if version.targets == (detector.label,) else means
            fall = measure_fall(recalls[before], recalls[version.label], confidence=confidence)
            yield Attempt(means=means, generator=version.label, fall=fall)
    is_zero = any(one.detector == detector.label and one.reason == ZERO_GRADIENT for one in record.passed_over)
    for search in record.searches:
        row = search.row()
        maker = (search.generator.kind, search.generator.player, search.generator.round)
        if search.detector.label != detector.label or row.start is None or maker in unranked:
            continue
        parts: list[tuple[Means, FoundFakes | None]] = [
            ("search", row.found),
            ("followed", row.start if is_zero else row.followed),
        ]
        for means, fakes in parts:
            if fakes is not None:
                shares = ((one.recall_fake, row.n_fake) for one in (row.start, fakes))
                fall = measure_fall(*shares, confidence=confidence)
                yield Attempt(means=means, generator=search.generator.label, fall=fall, p_fake=fakes.p_fake)


def _in_words(attempt: Attempt) -> str:
    low, high = attempt.fall.ci
    who = _IN_WORDS[attempt.means].format(attempt.generator)
    return (
        f"{who} lowered its recall of fakes by {100 * attempt.fall.size:.0f} points "
        f"({100 * low:.0f} to {100 * high:.0f})"
    )


__all__ = ["GAP", "SMALL", "Attempt", "Masking", "Means", "find_masking", "judge_attempts"]
