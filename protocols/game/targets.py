"""Whom a round's attacks are against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.jobs.store import Store
from fakeoff.detectors import players
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.engine import Slot
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.measures.standings import rank_on_val
from fakeoff.protocols.record.versions import PassedOver, Trained, Version

_KEYWORDS = ("champion", "all")
_UNJUDGED = (
    "a job of the protocol's own trained it, so it was not judged on val and is no champion; name it in attack.target"
)


async def choose_targets(
    judges: Sequence[Slot[Any]], *, round_: int, config: TournamentConfig, tally: Tally, store: Store
) -> list[Version]:
    """Chooses by the configuration and val alone; who is passed over goes on the tally.

    Args:
        judges: The newest detector versions. One that an experiment trained in a job of its own was not judged on val:
            it is passed over as champion, and may be named.
        round_: Of the attacks, counted from 1, where the protocol ended the rounds before.
        config: With ``attack.target``.
        tally: What val says of them.
        store: Where results are kept.

    Raises:
        ConfigError: The configuration names a detector that cannot be attacked.
    """
    latest = [version for version in [await slot for slot in judges] if version is not None]
    wanted = config.attack.target
    reasons = {
        version.player: tally.doubts.get(version.key) or store.figures(version.key, Trained).not_attackable
        for version in latest
    }
    if reasons.get(wanted):
        raise _cannot_be_attacked(wanted, reasons[wanted])
    if wanted not in _KEYWORDS:
        return [version for version in latest if version.player == wanted]
    judged = [version for version in latest if version.key in tally.standing]
    ranked = rank_on_val([(version, tally.standing[version.key]) for version in judged])
    unjudged = [version for version in latest if version not in judged]
    if wanted == "all":
        ranked += unjudged
    else:
        reasons |= {version.player: reasons[version.player] or _UNJUDGED for version in unjudged}
    attackable = [version for version in ranked if not reasons[version.player]]
    # Of a champion those who came before it, of all everybody.
    before = ranked if wanted == "all" or not attackable else ranked[: ranked.index(attackable[0])]
    before += unjudged if wanted == "champion" else []
    round_ = max([round_, *(version.round + 1 for version in latest)])  # a protocol need not say where rounds end
    tally.passed_over |= {
        PassedOver(detector=version.label, round=round_, reason=reasons[version.player])
        for version in before
        if reasons[version.player]
    }
    return attackable if wanted == "all" else attackable[:1]


def check_target(target: str, plugins: Mapping[str, str], *, where: str = "attack.target") -> None:
    """Checks that a configured target is somebody whom attacks can follow, as far as can be known beforehand.

    Args:
        target: As configured.
        plugins: Of the game's detectors, by name.
        where: Which setting it is.

    Raises:
        ConfigError: It is no detector of this game, or its class says that no gradient flows through it.
    """
    known = (*_KEYWORDS, *plugins)
    if target not in known:
        raise ConfigError(
            f"{where} '{target}' is no detector of this tournament{suggestion(target, known) or '.'} "
            f"It can be: {', '.join(known)}"
        )
    if target in plugins and not players.load(plugins[target]).differentiable:
        raise _cannot_be_attacked(target, "it says of itself that it is not differentiable", where=where)


def _cannot_be_attacked(target: str, reason: str, *, where: str = "attack.target") -> ConfigError:
    return ConfigError(
        f"{where} '{target}' cannot be attacked: {reason}; name another, or 'champion': the best one that can be"
    )


__all__ = ["check_target", "choose_targets"]
