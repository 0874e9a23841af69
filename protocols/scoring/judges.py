"""Which detectors of a tournament judge a user's own pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import Identity, weights_hash
from fakeoff.arena.seeds import canonical_json
from fakeoff.detectors import Detector
from fakeoff.protocols.game.recipes import detector_spec
from fakeoff.protocols.measures.standings import rank_on_val
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import naming
from fakeoff.protocols.record.versions import Version, newest
from fakeoff.protocols.rules import referee
from fakeoff.protocols.score.blind import OnVal, on_val, read_on_val

CHAMPION = "champion"


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A detector version that is ready to judge.

    Attributes:
        version: Which.
        threshold: P(fake) from which it says fake, chosen on val.
        identity: Its plugin and parameters.
        state: Its weights.
    """

    version: Version
    threshold: float
    identity: Identity
    state: Result

    @property
    def fingerprint(self) -> str:
        """What tells it from every other: the hash of its plugin, its parameters and its weights."""
        weights = self.state.record.get("state") or weights_hash(
            {name: torch.from_numpy(np.array(value)) for name, value in self.state.arrays.items()}
        )
        return hashlib.sha256(canonical_json([self.identity, weights]).encode()).hexdigest()

    def build(self) -> Detector:
        """A detector of its own: players need not bear two threads at once.

        Raises:
            PluginError: It cannot be built.
        """
        with naming(self.version.label):
            return referee.build_detector(self.identity, version=self.state)


def choose_judges(wanted: str | None, *, record: TournamentRecord, store: Store) -> tuple[Judge, ...]:
    """Chooses who judges.

    Args:
        wanted: A player's name for its newest version, a version such as ``xception_block1@1``, or ``champion``: who is
            best on val, and never on test. None is the newest version of each detector, by name.
        record: The tournament.
        store: Where its results are.

    Raises:
        ConfigError: There is no such detector.
        PluginError: A candidate misbehaves.
        StoreError: A state is damaged.
    """
    versions = newest(record.versions, "detector")
    if not versions:
        raise ConfigError("no detector was trained in this home; play first: fakeoff run")
    if wanted == CHAMPION and CHAMPION not in {version.player for version in versions}:
        versions = [_champion(versions, record=record, store=store)]
    elif wanted is not None:
        versions = [record.find("detector", wanted)]
    return tuple(_open(version, record=record, store=store) for version in versions)


def find_champion(*, record: TournamentRecord, store: Store) -> Version:
    """The detector version that is best on val, among the newest of each detector.

    Args:
        record: The tournament.
        store: Where its results are.

    Raises:
        ConfigError: No detector was ranked on val.
        PluginError: A candidate misbehaves, or is not known.
        StoreError: A state is damaged.
    """
    return _champion(newest(record.versions, "detector"), record=record, store=store)


def _open(version: Version, *, record: TournamentRecord, store: Store) -> Judge:
    spec = detector_spec(next(player for player in record.config.detectors if player.name == version.player))
    return Judge(
        version=version,
        threshold=version.threshold(store),
        identity=spec.identity(),
        state=store.read(version.key),
    )


def _champion(versions: list[Version], *, record: TournamentRecord, store: Store) -> Version:
    """The best of the newest versions on val's reals and the val fakes of every generator version."""
    unranked = {(one.player, one.round) for one in record.unranked if one.kind == "detector"}
    candidates = [one for one in versions if one.on_val is not None and (one.player, one.round) not in unranked]
    if not candidates:
        raise ConfigError("no detector of this home was ranked on val, so there is no champion; give --detector NAME")
    if len(candidates) == 1:
        return candidates[0]
    return rank_on_val([(version, _standing(version, record=record, store=store)) for version in candidates])[0]


def _standing(version: Version, *, record: TournamentRecord, store: Store) -> OnVal:
    makers = [one for one in record.versions if one.kind == "generator"]
    fakes = [maker.pools["val"] for maker in makers if "val" in maker.pools]
    assert version.on_val is not None
    if set(fakes) <= set(version.on_val.mixture.fakes):
        return read_on_val(version.on_val, store)
    # A version that stayed as it was has seen the fakes of its own round only; all are held to the same ones.
    reals = [pools["val"] for _, pools in sorted(record.real_pools.items())]
    judge = _open(version, record=record, store=store)
    detector = judge.build()
    with naming(version.label):
        scores = {
            pool: referee.judge(detector, Pool(store.read(pool).arrays["images"])).numpy().astype(np.float32)
            for pool in dict.fromkeys([*reals, *fakes])
        }
    return on_val([scores[pool] for pool in reals], [scores[pool] for pool in fakes])


__all__ = ["CHAMPION", "Judge", "choose_judges", "find_champion"]
