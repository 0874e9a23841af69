"""The recipes of a configuration: of its players, of its face parser, and the desk where its jobs are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.errors import ConfigError, DataError, PluginError
from fakeoff.arena.images import Colour
from fakeoff.arena.images.reals import SPLITS, RealSource, Split, open_source
from fakeoff.arena.images.splits import Grouping
from fakeoff.arena.players.abilities import has_own
from fakeoff.arena.players.registry import ELSEWHERE, Registry
from fakeoff.arena.players.specs import PlayerSpec, write_spec
from fakeoff.arena.seeds import digest
from fakeoff.detectors import PatchDetector
from fakeoff.protocols.config import Parts, Player, Reals, TournamentConfig
from fakeoff.protocols.config.computing import decided
from fakeoff.protocols.rules.desk import Desk
from fakeoff.protocols.rules.manipulating import is_manipulator

_MEASURED: tuple[Split, ...] = ("train", "test")
_FEWEST = 2
_TOLD_AT_MOST = 40
"""So many files that are left out are named; a folder may hold a hundred thousand of them."""


def open_desk(config: TournamentConfig, *, source: RealSource, what: str = "") -> Desk:
    """The desk where the jobs of a configuration are written.

    Args:
        config: What is played.
        source: The reals.
        what: Which of several plays it is, for people: ``seed 1``.

    Raises:
        ConfigError: Device or precision is not decided yet, or a generator is a manipulator, and the reals of a split
            show one person.
        DataError: There is no more than one photograph to train or to test on.
        PluginError: A player is unknown or takes other parameters, or takes no learning rate where one is set.
    """
    device, precision = decided(config)
    desk = Desk(
        config=config,
        source=source,
        generators=write_specs(generators.players, config.generators),
        detectors=write_specs(detectors.players, config.detectors),
        parser=parser_spec(config.parts),
        device=device,
        precision=precision,
        colour=source.colour if config.arena.colour == "auto" else config.arena.colour,
        what=what,
    )
    check_enough(source)
    check_pairs(desk.generators, source)
    if config.attack.rate:
        check_rate_is_heeded(config.attack.rate, "attack", desk.generators, generators.players)
    if config.defend.rate:
        check_rate_is_heeded(config.defend.rate, "defend", desk.detectors, detectors.players)
    return desk


def check_enough(source: RealSource) -> None:
    """Refuses reals of which nothing could be measured: a distance or an interval is of two or more.

    Raises:
        DataError: A split of them has fewer.
    """
    for split in _MEASURED:
        if (count := len(source.persons(split))) < _FEWEST:
            raise DataError(
                f"{split} has {count} real photograph{'' if count == 1 else 's'}, and a game needs {_FEWEST} or more "
                "there: add some, or let them be split otherwise (--split-by, --split-folders ignore)"
            )


def open_reals(reals: Reals) -> RealSource:
    """The photographs of a configuration.

    Args:
        reals: Where they are, and who is on them.

    Raises:
        FakeoffError: See :func:`fakeoff.arena.images.reals.open_source`.
    """
    grouping = Grouping(
        split_by=reals.split_by, group=reals.group, table=reals.table, split_folders=reals.split_folders
    )
    return open_source(reals.source, grouping=grouping, skip_corrupt=reals.skip_corrupt)


def tell_reals(source: RealSource, *, quiet: bool = False) -> list[str]:
    """What was recognised of a user's folder, what is left out of it and what to be warned of, a line each.

    Args:
        source: The reals.
        quiet: Only what is left out and warnings.
    """
    lines = [f"left out {file.name}: {file.reason}" for file in source.left_out[:_TOLD_AT_MOST]]
    if more := source.left_out[_TOLD_AT_MOST:]:
        reasons = Counter(_kind_of(file.reason) for file in more)
        lines.append(f"left out {len(more)} more: {', '.join(f'{many} {why}' for why, many in reasons.most_common(5))}")
    if source.layout is not None:
        lines += [] if quiet else [f"{source.name}: {source.layout.describe()}"]
        lines += source.layout.warnings()
    return lines


def _kind_of(reason: str) -> str:
    """A reason without what is of one file alone."""
    return re.sub(r" (as|to|by) .*|\d+x\d+ pixels; |:.*", "", reason)


def reseed(desk: Desk, seed: int) -> Desk:
    """A desk whose detectors are trained with another seed, as replicates of a training.

    Args:
        desk: What is played.
        seed: Of their trainings; also of their initial weights, where a recipe says nothing of its ``init_seed``.

    Returns:
        The same desk for the seed that it has.
    """
    if seed == desk.config.seed:
        return desk
    again = []
    for player in desk.config.detectors:
        takes = {parameter.name for parameter in detectors.players.parameters(player.plugin)}
        own = {"init_seed": seed} if "init_seed" in takes else {}
        again.append(player.model_copy(update={"parameters": {**own, **player.parameters}}))
    config = desk.config.model_copy(update={"seed": seed, "detectors": tuple(again)})
    return replace(desk, config=config, detectors=write_specs(detectors.players, again))


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


def check_processes_find(
    specs: Iterable[PlayerSpec], registry: Registry[Any], *, here: bool, scored_again: bool = False
) -> None:
    """Refuses players that other processes will need and not find.

    Args:
        specs: The players.
        registry: Those of their kind.
        here: Whether jobs run in this process.
        scored_again: Whether some are run in a fresh process even then.

    Raises:
        PluginError: One registered itself in a script or a notebook, or in a module that nobody else imports.
    """
    if here and not scored_again:
        return
    ways_out = ["serial=True"] if not here else []
    ways_out += ["score.scored_again = 0"] if scored_again else []
    who = "the fresh process that scores it again" if here else "workers"
    for spec in specs:
        if spec.only_in:
            where = f"{registry.kind} '{spec.name}' is defined in {spec.only_in}, where {who} cannot find it"
            raise PluginError(f"{where}; {ELSEWHERE}; or play with {' and '.join(ways_out)}")
        check_processes_find(spec.members, registry, here=here, scored_again=scored_again)


def warn(desk: Desk) -> tuple[str, ...]:
    """What a user should know before anything is played, one line each.

    Args:
        desk: What is played.
    """
    return (*warn_of_grey(desk), *warn_of_weights(desk))


def warn_of_grey(desk: Desk) -> tuple[str, ...]:
    """A line for each generator that is set to grey where the arena is in colour, and leaks are played.

    Args:
        desk: What is played.
    """
    if desk.config.audit.on_leak == "refuse":
        return ()  # the game is
    return tuple(
        f"warning: generator '{name}' makes grey images (channels = 1), and the arena is in colour: any detector tells "
        f"them apart by that; give it channels = 3 and weights for it, or play in grey: --set arena.colour=grey"
        for name in _grey(desk)
    )


def refuse_grey(desk: Desk, names: Iterable[str]) -> None:
    """Refuses generators that are set to grey where the arena is in colour, before anything is computed.

    Args:
        desk: What is played.
        names: Generators that are to enter.

    Raises:
        ConfigError: One is, and leaks are refused.
    """
    for name in set(names) & set(_grey(desk)) if desk.config.audit.on_leak == "refuse" else ():
        of = f"generators.{name}"
        raise ConfigError(
            f"generator '{name}' makes grey images (channels = 1), and the photographs of '{desk.source.name}' are in "
            f"colour: any detector tells them apart by that, so nothing was computed. Enter one that makes colour, "
            f"such as mobilestylegan or a folder of images; or teach this one: --protocol pretrain "
            f"--set {of}.channels=3 --set {of}.weights='' (hours), and enter what it writes; or play in grey",
            mend=("--set", "arena.colour=grey"),
        )


def _grey(desk: Desk) -> list[str]:
    """The generators that are set to grey where the arena is in colour.

    One with a parameter ``channels``, as those that come with Fakeoff have, says by it what it makes.
    """
    grey = [name for name, spec in desk.generators.items() if spec.parameters.get("channels") == 1]
    return grey if desk.colour == "rgb" else []


def warn_of_weights(desk: Desk) -> tuple[str, ...]:
    """A line for each player that takes less of its weights file than a user would think.

    Args:
        desk: What is played.
    """
    lines = []
    sides: tuple[tuple[Registry[Any], Mapping[str, PlayerSpec]], ...] = (
        (generators.players, desk.generators),
        (detectors.players, desk.detectors),
    )
    for registry, specs in sides:
        for name, spec in specs.items():
            if spec.weights is None:
                continue
            given = {**spec.fingerprint.get("preset", {}), **spec.parameters}
            if left_out := registry.load(spec.plugin).left_out(spec.weights, given):
                lines.append(
                    f"{registry.kind} '{name}': of '{spec.weights.name}' {left_out} is left out, and begins anew"
                )
    return tuple(lines)


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


def stored_spec(registry: Registry[Any], player: Player) -> PlayerSpec:
    """The recipe of a configured player whose versions are stored: files that it came with need not be here.

    Args:
        registry: The players of its kind.
        player: Who.

    Raises:
        PluginError: Unknown, or it takes other parameters.
    """
    return write_spec(registry, name=player.name, plugin=player.plugin, parameters=player.parameters, stored=True)


def detector_spec(player: Player) -> PlayerSpec:
    """The recipe of a configured detector whose versions are stored; see :func:`stored_spec`."""
    return stored_spec(detectors.players, player)


def judges_patches(plugin: str) -> bool:
    """Whether a registered detector is a patch detector.

    Raises:
        PluginError: Unknown, or it does not load.
    """
    return issubclass(detectors.players.load(plugin), PatchDetector)


def parser_spec(parts: Parts) -> PlayerSpec | None:
    """The recipe of the configured face parser, if any.

    Raises:
        PluginError: Unknown, or it takes other parameters.
    """
    if not parts.parser:
        return None
    return write_spec(parsers.parsers, name=parts.parser, plugin=parts.parser, parameters=parts.parameters)
