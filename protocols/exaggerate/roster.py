"""Who can take part in exaggeration: generators whose latents can be shifted, detectors that let a gradient through."""

from __future__ import annotations

from dataclasses import dataclass

from fakeoff import detectors, generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.abilities import abilities
from fakeoff.protocols.exaggerate.codes import Space, has_space
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.log import Row

_ALL = "all"
_NOBODY_W = "it has no space behind its latents (map_latents and synthesise): shift them in space = 'z'"


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Who takes part by what their classes say.

    Attributes:
        generators: Their names.
        detectors: Their names.
        passed_over: The others: rows of the table of that name.
    """

    generators: tuple[str, ...]
    detectors: tuple[str, ...]
    passed_over: tuple[Row, ...]


def read_roster(bench: Bench, space: Space) -> Roster:
    """Reads who takes part, before anything is played.

    Args:
        bench: With the players.
        space: Where latents are to be shifted.

    Raises:
        PluginError: There is no generator, or no detector, that can.
    """
    makers = {entry.name: _why_no_shift(entry.plugin, space) for entry in bench.config.generators}
    judges = {entry.name: _why_no_gradient(entry.plugin) for entry in bench.config.detectors}
    for kind, found, need in (
        ("generator", makers, f"has latents that can be shifted in space = '{space}'"),
        ("detector", judges, "lets a gradient through"),
    ):
        if all(found.values()):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in found.items())
            raise PluginError(
                f"there is nothing to exaggerate, because no {kind} of this game {need} ({reasons}); enter another, "
                f"such as --{kind}s {'pgan' if kind == 'generator' else 'resnet18_layer1'}"
            )
    return Roster(
        generators=tuple(name for name, reason in makers.items() if not reason),
        detectors=tuple(name for name, reason in judges.items() if not reason),
        passed_over=(
            *(passed_over(generator=name, reason=reason) for name, reason in makers.items() if reason),
            *(passed_over(detector=name, reason=reason) for name, reason in judges.items() if reason),
        ),
    )


def passed_over(*, generator: str = _ALL, detector: str = _ALL, reason: str) -> Row:
    """A row of the table *passed over*: a pair, or one player with all of the other kind.

    Args:
        generator: Its name.
        detector: Its name.
        reason: Why, in one line.
    """
    return {"generator": generator, "detector": detector, "reason": reason}


def _why_no_shift(plugin: str, space: Space) -> str:
    player = generators.players.load(plugin)
    if "latent" not in abilities(player):
        return "it has no latents to shift"
    return "" if has_space(player, space) else _NOBODY_W


def _why_no_gradient(plugin: str) -> str:
    differentiable = "differentiable" in abilities(detectors.players.load(plugin))
    return "" if differentiable else "it says of itself that it is not differentiable"


__all__ = ["Roster", "passed_over", "read_roster"]
