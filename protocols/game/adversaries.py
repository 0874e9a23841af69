"""Who is moved against a detector while it learns, and what is said where nobody is."""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff import detectors
from fakeoff.arena.players.abilities import abilities, has_own
from fakeoff.protocols.record.versions import PassedOver, Version
from fakeoff.protocols.rules.adversarial import find_adversaries
from fakeoff.protocols.rules.defend import Defended
from fakeoff.protocols.rules.desk import Desk


def choose_adversaries(desk: Desk, detector: str, history: Sequence[Version]) -> tuple[list[Version], str]:
    """The generator versions that a defence is trained against, as ``defend.adversarial`` says.

    Args:
        desk: What is played.
        detector: Who defends.
        history: What it learns from.

    Returns:
        The newest version of each generator that can attack, and why there is none though some were asked for; that is
        empty where a detector does not learn, since nothing is missing there.
    """
    player = detectors.players.load(desk.detectors[detector].plugin)
    if not desk.config.defend.adversarial or "trainable" not in abilities(player):
        return [], ""
    if not has_own(player, "train_step"):
        return [], "it was trained without adversaries: it learns at once, and they are moved between steps"
    found = find_adversaries(desk, history)
    return found, "" if found else "it was trained without adversaries: no generator that it learned from can attack"


def what_was_left_out(trained: Version, defended: Defended, adversaries: Sequence[Version]) -> set[PassedOver]:
    """What adversarial training could not do, for people.

    Args:
        trained: The detector's version.
        defended: What its defence says.
        adversaries: The generators that it was told of, in the same order.
    """
    record = defended.adversarial
    if record is None:
        return set()
    reasons = [
        f"it was trained without {adversaries[left.adversary].label}, which {left.reason}"
        for left in record.left_out
        if left.adversary is not None
    ]
    if not record.sessions:
        nobody = [left.reason for left in record.left_out if left.adversary is None]
        if nobody:
            reasons.append(f"it was trained without adversaries: {nobody[-1]}")
        elif not record.left_out:
            reasons.append(
                f"it was trained without adversaries: training ended at step {defended.steps}, before they were moved "
                "(defend.adversarial_every)"
            )
    return {PassedOver(detector=trained.label, round=trained.round, reason=reason) for reason in reasons}


__all__ = ["choose_adversaries", "what_was_left_out"]
