"""Who is exported, and all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fakeoff import detectors, generators
from fakeoff.arena import images
from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import WEIGHTS, PlayerSpec
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.protocols.config import Player
from fakeoff.protocols.game.recipes import stored_spec
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import generator_resolution
from fakeoff.protocols.record.versions import KINDS, Kind, Version, newest
from fakeoff.protocols.scoring.judges import CHAMPION, choose_judges

_TRIED_ON = 16  # images of each side


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A version of a player that is exported.

    Attributes:
        version: Which.
        player: Its entry in the configuration.
        record: The tournament.
        store: Where its results are.
    """

    version: Version
    player: Player
    record: TournamentRecord
    store: Store

    @property
    def kind(self) -> Kind:
        """``generator`` or ``detector``."""
        return self.version.kind

    @property
    def name(self) -> str:
        """What it is called where it is entered again: a name of a player's, which has no ``@``."""
        return f"{self.version.player}_{self.version.round}"

    @cached_property
    def registry(self) -> Registry[Any]:
        """The players of its kind."""
        return generators.players if self.kind == "generator" else detectors.players

    @cached_property
    def spec(self) -> PlayerSpec:
        """Its recipe; files that it came with need not be here."""
        return stored_spec(self.registry, self.player)

    @cached_property
    def state(self) -> Result:
        """Its weights."""
        return self.store.read(self.version.key)

    @cached_property
    def scoreboard(self) -> Scoreboard:
        """What was found."""
        return build_scoreboard(self.record)

    @property
    def side(self) -> int:
        """Pixels a side of what a detector is shown."""
        return self.record.config.arena.resolution

    @property
    def passed_through(self) -> int:
        """Pixels a side through which photographs go on their way to detectors."""
        return generator_resolution(self.record)

    @property
    def takes_weights(self) -> bool:
        """Whether its class has a parameter for weights, so that it can begin as it is now."""
        return WEIGHTS in {parameter.name for parameter in self.registry.parameters(self.player.plugin)}

    @cached_property
    def pictures(self) -> tuple[Tensor, bool]:
        """Images to try a detector on, float32 ``(n, 3, side, side)``, and whether they are those of the test."""
        pools = [pools["test"] for _, pools in sorted(self.record.real_pools.items())][:1]
        pools += [one.pools["test"] for one in newest(self.record.versions, "generator")]
        try:
            found = [images.to_tensor(self.store.read(pool).arrays["images"][:_TRIED_ON]) for pool in pools]
            return torch.cat(found), True
        except (StoreError, KeyError):  # left out when the home was packed
            rng = torch.Generator().manual_seed(0)
            return torch.rand(2 * _TRIED_ON, 3, self.side, self.side, generator=rng), False

    def parameters(self) -> dict[str, Any]:
        """Of its constructor, defaults included, without paths: as it is built to be given its state."""
        return {key: value for key, value in self.spec.identity()["parameters"].items() if key != WEIGHTS}

    def rows(self) -> Iterator[Any]:
        """Its matches, with figures and intervals."""
        for cell in self.scoreboard.cells:
            if cell.version_of(self.kind) == (self.version.player, self.version.round):
                yield cell

    def learnt_from(self) -> Sequence[Version]:
        """The generator versions whose fakes a detector's training saw."""
        others = [one for one in self.record.versions if one.kind == "generator" and one.round <= self.version.round]
        if self.record.config.defend.history == "latest":
            return [one for one in others if one.round == max(other.round for other in others)]
        return sorted(others, key=lambda one: (one.player, one.round))

    def data(self) -> Mapping[str, Any]:
        """Hashes and counts of the photographs."""
        return self.record.data


def find_subject(name: str, home: Home, *, kind: Kind | None = None) -> Subject:
    """Finds who is meant.

    Args:
        name: A version such as ``pgan@1``, a player's name for its newest version, or ``champion``: the detector that
            is best on val.
        home: Where it played.
        kind: Where a generator and a detector have the same name.

    Raises:
        ConfigError: There is nobody of that name, or there are two.
        StoreError: Nothing was played there, or it is damaged.
    """
    store = home.open_store()
    record = read_ledger(home, store)
    kinds: Sequence[Kind] = KINDS if kind is None else (kind,)
    known = [(one.kind, text) for one in record.versions for text in (one.player, one.label)]
    meant = [each for each in kinds if (each, name) in known]
    if len(meant) > 1:
        raise ConfigError(f"a generator and a detector are called '{name}'; say which: --kind detector")
    if not meant and name == CHAMPION:
        [judge] = choose_judges(CHAMPION, record=record, store=store)
        return _subject(judge.version, record, store)
    if not meant:
        labels = sorted(dict.fromkeys(one.label for one in record.versions if one.kind in kinds))
        raise ConfigError(f"no player '{name}' in this home; there are: {', '.join(labels) or 'none'}")
    return _subject(record.find(meant[0], name), record, store)


def _subject(version: Version, record: TournamentRecord, store: Store) -> Subject:
    players = record.config.generators if version.kind == "generator" else record.config.detectors
    player = next(player for player in players if player.name == version.player)
    return Subject(version=version, player=player, record=record, store=store)


__all__ = ["Subject", "find_subject"]
