"""The recipes of a configuration: of its players, and of its face parser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.images.reals import SPLITS, RealSource
from fakeoff.arena.players.abilities import abilities, has_own
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import PlayerSpec, write_spec
from fakeoff.detectors import PatchDetector
from fakeoff.protocols.config import Parts, Player


def check_rate_is_heeded(
    rate: float,
    section: str,
    specs: Mapping[str, PlayerSpec],
    registry: Registry[Any],
) -> None:
    """Refuses a learning rate that a player that learns by steps would not hear of.

    Raises:
        PluginError: It has no ``start(plan)``.
    """
    for name, spec in specs.items():
        player = registry.load(spec.plugin)
        if has_own(player, "train_step") and not has_own(player, "start"):
            raise PluginError(
                f"{section}.rate is {rate:g}, and {registry.kind} '{name}' takes none: it has no start(plan); give it "
                f"one, or leave {section}.rate at 0"
            )


def check_pairs(specs: Mapping[str, PlayerSpec], source: RealSource) -> None:
    """Refuses reals that a manipulator among the generators could not be shown pairs of.

    Raises:
        ConfigError: A split shows one person only.
    """
    alone = [split for split in SPLITS if len(source.groups(split)) < 2]
    for name, spec in specs.items():
        if alone and is_manipulator(spec.plugin):
            raise ConfigError(
                f"generator '{name}' makes its fakes of pairs of reals that show different persons, and "
                f"'{source.name}' has one person in {' and '.join(alone)}: give reals of more persons, or --split-by "
                "file where each image shows another"
            )


def write_specs(registry: Registry[Any], players: Sequence[Player]) -> dict[str, PlayerSpec]:
    """The recipes of configured players, by name."""
    return {
        player.name: write_spec(registry, name=player.name, plugin=player.plugin, parameters=player.parameters)
        for player in players
    }


def detector_spec(player: Player) -> PlayerSpec:
    """The recipe of a configured detector.

    Raises:
        PluginError: Unknown, or it takes other parameters.
    """
    return write_specs(detectors.players, [player])[player.name]


def judges_patches(plugin: str) -> bool:
    """Whether a registered detector is a patch detector.

    Raises:
        PluginError: Unknown, or it does not load.
    """
    return issubclass(detectors.players.load(plugin), PatchDetector)


def is_manipulator(plugin: str) -> bool:
    """Whether a registered generator makes its fakes of pairs of reals.

    Raises:
        PluginError: Unknown, or it does not load.
    """
    return "manipulator" in abilities(generators.players.load(plugin))


def parser_spec(parts: Parts) -> PlayerSpec | None:
    """The recipe of the configured face parser, if any.

    Raises:
        PluginError: Unknown, or it takes other parameters.
    """
    if not parts.parser:
        return None
    return write_spec(parsers.parsers, name=parts.parser, plugin=parts.parser, parameters=parts.parameters)
