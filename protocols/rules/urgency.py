"""Which job of a game goes first."""

from __future__ import annotations

_URGENCY = {
    "enter": 9,
    "reals": 9,
    "attack": 8,
    "sample": 7,
    "audit": 6,
    "parse": 5,
    "defend": 4,
    "score": 3,
    "look": 2,
    "search": 2,
    "shift": 1,
    "cost": 1,
    "postprocess": 1,
    "quality": 1,
}


_LEADING = ("enter", "reals", "parse", "defend")
"""Before the figures of a round; what is not known here is a figure."""

_A_LEVEL = 16


def urgency(stage: str, round_: int | None) -> int:
    """What others wait for comes first; what may stop the game (an audit of what enters, a parser) before training.

    The attacks of the next round, which all else waits for, go before the figures of a round; those go before the next
    round's defences. So the figures of a round fill the cores while its last detector still learns, and are there soon.
    A stage that is not known here is one of figures.
    """
    level = 2 * (round_ or 0)
    if stage in ("attack", "sample"):
        level -= 1
    elif not (stage in _LEADING or (stage == "audit" and not round_)):
        level += 1
    return _URGENCY.get(stage, 0) - _A_LEVEL * level
