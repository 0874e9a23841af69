"""Rules that derive from the tournament's: a plugin file."""

from __future__ import annotations

from fakeoff.protocols import register
from fakeoff.protocols.ground import Ground
from fakeoff.protocols.tournament import AttackDefend


@register("own_rules")
class OwnRules(AttackDefend):
    """Attack and defend, and something of its own before.

    Args:
        noted: Something of its own.
    """

    def __init__(self, *, noted: float = 0.0) -> None:
        self.noted = noted

    def play(self, ground: Ground) -> None:
        ground.log({"noted": self.noted})
        super().play(ground)
