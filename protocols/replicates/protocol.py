"""Any protocol, played with several seeds: other pools of fakes, other initial weights, other batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from matplotlib.figure import Figure
from pydantic import Field

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols import protocols
from fakeoff.protocols.config import PlayedProtocol, TournamentConfig
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.interface import MOST_SEEDS, Protocol
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.replicates.pooling import pool_points, pool_rows

_NAME = "replicates"


class Replicates(Protocol):
    """Plays a protocol with several seeds, and pools its tables: mean, spread and interval over seeds.

    Beside them stand the protocol's own intervals, over people, as the mean of the seeds'. Pictures are of the first
    seed. The seeds are the configuration's and those after it.

    Args:
        protocol: Which.
        parameters: Its own.
        seeds: How many.
    """

    def __init__(
        self,
        *,
        protocol: str = "attack_defend",
        parameters: Mapping[str, Any] | None = None,
        seeds: Annotated[int, Field(ge=2, le=MOST_SEEDS)] = 5,
    ) -> None:
        if protocol.rpartition(":")[2] == _NAME:
            raise ValueError("replicates of replicates are just more seeds: give their number")
        self.protocol, self.seeds = protocol, seeds
        self.parameters = protocols.complete(protocol, dict(parameters or {}))

    def build(self) -> Protocol:
        """The protocol that is repeated."""
        return protocols.build(self.protocol, self.parameters)

    def play(self, bench: Bench) -> None:
        spec = PlayerSpec(
            name=self.protocol.rpartition(":")[2],
            plugin=self.protocol,
            parameters=self.parameters,
            fingerprint=protocols.fingerprint(self.protocol),
            provision=protocols.provision(self.protocol),
        )
        kept = []
        for place in range(self.seeds):
            log = _Kept()
            again = bench.again(seed=bench.seed + place, spec=spec, log=log)
            self.build().play(again)
            again.finish()
            kept.append(log)
        confidence = bench.config.score.confidence
        for name in dict.fromkeys(name for log in kept for name in log.tables):
            bench.table(
                name, pool_rows([log.tables[name] for log in kept if name in log.tables], confidence=confidence)
            )
        for step in sorted({step for log in kept for step in log.series}):
            bench.log(pool_points([log.series[step] for log in kept if step in log.series]), step=step)
        for name, figure in kept[0].figures.items():
            bench.figure(f"{name}, first seed", figure)
        for name, data in kept[0].files.items():
            bench.file(name, data)


class _Kept:
    """What one play logged."""

    def __init__(self) -> None:
        self.series: dict[int, dict[str, float]] = {}
        self.tables: dict[str, Sequence[Row]] = {}
        self.figures: dict[str, Figure] = {}
        self.files: dict[str, bytes] = {}

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        self.series.setdefault(step, {}).update(points)

    def table(self, name: str, rows: Sequence[Row]) -> None:
        self.tables[name] = rows

    def figure(self, name: str, figure: Figure) -> None:
        self.figures[name] = figure

    def file(self, name: str, data: bytes) -> None:
        self.files[name] = data


def repeat(config: TournamentConfig, seeds: int) -> TournamentConfig:
    """A configuration whose protocol is played with several seeds.

    A protocol with a parameter ``seeds`` repeats what it is about by itself; any other is played as a whole, seed by
    seed.

    Args:
        config: What is to be played.
        seeds: How often.

    Raises:
        PluginError: Fewer than one or more than anybody plays, or there is no such protocol.
    """
    if seeds < 1:
        raise PluginError(f"{seeds} seeds are none: give 2 or more, or leave --seeds out for one")
    if seeds > MOST_SEEDS:
        raise PluginError(f"{seeds} seeds would not end: give {MOST_SEEDS} or fewer")
    played = config.protocol
    if played.plugin == _NAME:  # a configuration that was printed with another number
        inner = played.parameters
        given = PlayedProtocol(plugin=inner["protocol"], parameters=inner.get("parameters", {}))
        return repeat(config.model_copy(update={"protocol": given}), seeds)
    if "seeds" in {parameter.name for parameter in protocols.parameters(played.plugin)}:
        parameters = {**played.parameters, "seeds": seeds}
        return config.model_copy(update={"protocol": played.model_copy(update={"parameters": parameters})})
    if seeds == 1:
        return config
    parameters = {"protocol": played.plugin, "parameters": dict(played.parameters), "seeds": seeds}
    name = f"{played.name or played.plugin.rpartition(':')[2]}-{seeds}-seeds"
    return config.model_copy(update={"protocol": PlayedProtocol(plugin=_NAME, parameters=parameters, name=name)})


__all__ = ["Replicates", "repeat"]
