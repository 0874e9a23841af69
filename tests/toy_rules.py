"""Rules that derive from the tournament's: a plugin file."""

from __future__ import annotations

from fakeoff.protocols import register
from fakeoff.protocols.attack_defend import AttackDefend
from fakeoff.protocols.game.bench import Bench


@register("own_rules")
class OwnRules(AttackDefend):
    """Attack and defend, and something of its own before.

    Args:
        noted: Something of its own.
    """

    def __init__(self, *, noted: float = 0.0) -> None:
        self.noted = noted

    def play(self, bench: Bench) -> None:
        bench.log({"noted": self.noted})
        super().play(bench)
