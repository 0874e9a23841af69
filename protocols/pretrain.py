"""Pretraining: generators learn the reals by their own objective, before any game."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors.numpy import save

from fakeoff.arena import compute, images
from fakeoff.arena.compute import Precision
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.jobs import Context, Job, Result
from fakeoff.arena.players.abilities import has_own
from fakeoff.arena.players.plan import Batches, Plan
from fakeoff.arena.players.specs import Identity, state_arrays
from fakeoff.arena.typed import as_record, read_as
from fakeoff.generators import Batch
from fakeoff.protocols.config.computing import decided
from fakeoff.protocols.drawing.inks import INK, PALE, QUIET
from fakeoff.protocols.drawing.maps import DPI
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.measures import Cost
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.desk import payload_of
from fakeoff.protocols.rules.finetuning import draw_lesson
from fakeoff.protocols.rules.manipulating import is_manipulator
from fakeoff.protocols.rules.pools import ATTACK_REALS
from fakeoff.protocols.rules.resumption import Resumption

_FACES = 8
_SMOOTHED_OVER = 0.02  # of a curve's points
_LOG_FROM = 20.0  # largest over smallest distance
_POINTS_AT_MOST = 500  # of a curve in the log
_DISTANCES = {"kid": "KID", "swd": "SWD"}

Curves: TypeAlias = dict[str, list[tuple[int, float]]]
"""What training measured, by name: step and value. Not every step measures everything."""


class Pretrain(Protocol):
    """Trains every trainable generator on the training reals by its own objective: no detector takes part.

    Each session is a job: a long training in several sessions is not lost when it is interrupted, and shows on its way
    how far the fakes are from people who were never trained on. A session starts its optimisers anew. A generator that
    learns from everything at once, by ``fit``, does so once a session.

    Distances are KID on eigenfaces and the sliced Wasserstein distance (SWD) of patches: lower is closer, and those of
    the training reals say how far photographs of other people are.

    `PLAYER.safetensors` holds the weights after the last session: enter them with `weights = "PATH"` in the player's
    parameters.

    Args:
        steps: Training steps of a session.
        batch: Images a step.
        sessions: How many sessions, one after the other.
        rate: Learning rate; 0 is each generator's own.
    """

    def __init__(self, *, steps: int = 1000, batch: int = 16, sessions: int = 1, rate: float = 0.0) -> None:
        if steps < 1 or batch < 2 or sessions < 1 or rate < 0:
            raise ValueError("steps are at least 1, a batch 2 images, sessions 1, and a rate is not below 0")
        self.steps, self.batch, self.sessions, self.rate = steps, batch, sessions, rate

    def play(self, bench: Bench) -> None:
        entered = bench.enter(audit=False)  # a PGAN starts as an enlarged 4 x 4: no detector is fooled by that yet
        latest: Sequence[Version] = [version for version in entered if bench.is_trainable(version)]
        if entered and not latest:
            raise PluginError("none of these generators can be trained: they have neither train_step nor fit")
        history: dict[str, list[Version]] = {version.player: [version] for version in latest}
        curves: dict[str, Curves] = {version.player: {} for version in latest}
        costs: dict[str, list[Cost]] = {version.player: [] for version in latest}
        for session in range(self.sessions + 1):
            if session:
                latest = self._train(bench, latest)
                for version in latest:
                    history[version.player].append(version)
                    for name, curve in bench.store.record(version.key)["curves"].items():
                        done = (session - 1) * self.steps
                        curves[version.player].setdefault(name, []).extend((done + step, of) for step, of in curve)
            for cost in bench.costs(latest):
                costs[cost.generator.player].append(cost)
                self._log_distances(bench, cost)
        for player, of_player in curves.items():
            _log_curves(bench, player, of_player)
        trained = {player: versions for player, versions in history.items() if len(versions) > 1}
        for player, versions in trained.items():
            state = bench.store.read(versions[-1].key).arrays
            bench.file(f"{player}.safetensors", save(dict(state)))
            bench.figure(f"{player} faces", self._draw_faces(bench, versions))
            bench.figure(f"{player} curves", self._draw_curves(player, curves[player], costs[player]))
        if trained:
            bench.table("distance to held-out reals", [self._row(costs[player], player) for player in trained])

    def _train(self, bench: Bench, versions: Sequence[Version]) -> Sequence[Version]:
        return bench.advance(
            "generators are pretrained", {self._write_session(bench, version): version for version in versions}
        )

    def _write_session(self, bench: Bench, version: Version) -> Job:
        _, precision = decided(bench.config)
        identity = bench.identity(version)
        plugin = identity["plugin"]
        arguments = PretrainArguments(
            generator=identity,
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            precision=precision,
            persons=tuple(bench.source.persons("train")) if is_manipulator(plugin) else None,
        )
        return bench.job(
            pretrain,
            payload=payload_of(arguments),
            inputs={"version": version, "reals": bench.real_pools(version.resolution)[ATTACK_REALS]},
            threads=bench.config.compute.attack_threads,
            on_device=True,
            checkpoints=True,
            label=f"pretrain {version.player}, session {version.round + 1} of {self.sessions}",
        )

    def _log_distances(self, bench: Bench, cost: Cost) -> None:
        player, step = cost.generator.player, cost.generator.round * self.steps
        points = {f"{player}/{key}_to_reals": getattr(cost.figures, f"{key}_to_reals") for key in _DISTANCES}
        bench.log(points, step=step)

    def _row(self, costs: Sequence[Cost], player: str) -> dict[str, Any]:
        before, after = costs[0].figures, costs[-1].figures
        row: dict[str, Any] = {"generator": player, "steps": costs[-1].generator.round * self.steps}
        for key, name in _DISTANCES.items():
            row[f"{name} before"], row[f"{name} after"] = (
                getattr(figures, f"{key}_to_reals") for figures in (before, after)
            )
            row[f"{name} of training reals"] = getattr(after, f"{key}_floor")
        return row

    def _draw_faces(self, bench: Bench, versions: Sequence[Version]) -> Figure:
        """The same latents before the first session and after the last, and people who were never trained on."""
        shown = {
            "before": bench.pixels(versions[0].pools["test"])[:_FACES],
            f"after {versions[-1].round * self.steps} steps, same latents": bench.pixels(versions[-1].pools["test"])[
                :_FACES
            ],
        }
        reals = bench.pixels(bench.real_pools(versions[0].resolution)["test"])
        shown["held-out real people"] = reals[:: max(1, len(reals) // _FACES)][:_FACES]
        return _rows_of_faces(versions[0].player, shown)

    def _draw_curves(self, player: str, curves: Curves, costs: Sequence[Cost]) -> Figure:
        """What each step measured, and the distances to held-out reals at the end of each session."""
        panels = len(curves) + len(_DISTANCES)
        columns = min(3, panels)
        rows = -(-panels // columns)
        figure = Figure(figsize=(4.2 * columns, 2.7 * rows + 0.5), dpi=DPI, layout="constrained")
        axes = iter(figure.subplots(rows, columns, squeeze=False).flat)
        for (name, curve), panel in zip(curves.items(), axes, strict=False):
            steps, values = zip(*curve, strict=True)
            window = max(1, round(len(values) * _SMOOTHED_OVER))
            panel.plot(steps, values, color=PALE, linewidth=0.6)
            panel.plot(steps[window - 1 :], _running_mean(values, window), color=INK, linewidth=1.4)
            panel.set_title(name, fontsize=10, loc="left")
        for (key, name), panel in zip(_DISTANCES.items(), axes, strict=False):
            ends = [cost.generator.round * self.steps for cost in costs]
            distances = [getattr(cost.figures, f"{key}_to_reals") for cost in costs]
            floor = getattr(costs[0].figures, f"{key}_floor")
            panel.plot(ends, distances, "o-", color=INK)
            if min(*distances, floor) > 0 and max(distances) > _LOG_FROM * min(*distances, floor):
                panel.set_yscale("log")
            panel.axhline(floor, color=QUIET, linestyle="--", linewidth=1)
            panel.set_title(f"{name} to held-out reals (dashed: of the training reals)", fontsize=10, loc="left")
        for panel in axes:
            panel.set_axis_off()
        for panel in figure.axes:
            panel.spines[["top", "right"]].set_visible(False)
        figure.supxlabel("training step", fontsize=10)
        figure.suptitle(f"Pretraining {player} (grey: each step; black: running mean)", fontsize=11, x=0.01, ha="left")
        return figure


@dataclass(frozen=True, kw_only=True)
class PretrainArguments:
    """What a session is told.

    Attributes:
        generator: Who learns.
        steps: Training steps, from 1.
        batch: Images a step, from 2.
        rate: Learning rate; 0 is the generator's own.
        precision: Of training.
        persons: Who is on each of the reals, for a manipulator; None, and not in the payload, for everybody else.
    """

    generator: Identity
    steps: int
    batch: int
    rate: float
    precision: Precision
    persons: tuple[int, ...] | None = None


@dataclass(kw_only=True)
class _Done:
    """How far a session is."""

    steps: int = 0
    curves: Curves = field(default_factory=dict)


def pretrain(context: Context) -> Result:
    """Trains one generator by its own objective alone.

    Payload: :class:`PretrainArguments`. Inputs: ``version``, ``reals`` (train pool at the generator's resolution).

    Raises:
        JobFailed: The generator broke its interface.
    """
    arguments = context.arguments(PretrainArguments)
    device = context.device
    generator = referee.build_generator(arguments.generator, version=context.inputs["version"], device=device)
    reals = Pool(context.inputs["reals"].arrays["images"], device=device)
    rng = context.rng("pretrain")
    generator.train()
    plan = Plan(purpose="pretrain", steps=arguments.steps, batch=arguments.batch, rate=arguments.rate or None)
    if not has_own(type(generator), "train_step"):
        generator.start(plan)
        found = referee.check_measured(generator.fit(_batches(reals, arguments.batch, rng=rng), rng=rng), step=None)
        fitted = {name: [(1, value)] for name, value in found.items()}
        return Result(record={"curves": fitted, "steps": arguments.steps}, arrays=state_arrays(generator))
    resumption = Resumption(context, generator, rng=rng)
    done = resumption.begin(plan, read=functools.partial(read_as, _Done)) or _Done()
    curves = done.curves
    for step in range(done.steps, arguments.steps):
        batch = draw_lesson(reals, arguments.batch, persons=arguments.persons, rng=rng)
        with compute.autocast(arguments.precision, device):
            measured = generator.train_step(batch, rng=rng)
        for name, value in referee.check_measured(measured, step=step).items():
            curves.setdefault(name, []).append((step + 1, value))
        note = ", ".join(f"{name} {curve[-1][1]:.3f}" for name, curve in curves.items())
        context.report(step + 1, arguments.steps, note)
        done.steps = step + 1
        resumption.keep(functools.partial(as_record, done))
    return Result(record={"curves": curves, "steps": arguments.steps}, arrays=state_arrays(generator))


def _batches(reals: Pool, size: int, *, rng: torch.Generator) -> Batches:
    """All reals, in another order each time."""

    def batches() -> Iterator[Batch]:
        for places in torch.randperm(len(reals), generator=rng).split(size):
            yield Batch(images=torch.cat([reals[place : place + 1] for place in places.tolist()]))

    return batches


def _log_curves(bench: Bench, player: str, curves: Curves) -> None:
    """Logs means of a few steps each."""
    for name, curve in curves.items():
        stride = -(-len(curve) // _POINTS_AT_MOST)
        for start in range(0, len(curve), stride):
            part = curve[start : start + stride]
            bench.log({f"{player}/{name}": sum(value for _, value in part) / len(part)}, step=part[-1][0])


def _rows_of_faces(player: str, rows: Mapping[str, Pixels]) -> Figure:
    sheets = {caption: images.grid(pixels, columns=len(pixels)) for caption, pixels in rows.items()}
    height, width = next(iter(sheets.values())).shape[:2]
    inches = 10.0
    figure = Figure(figsize=(inches, (inches * height / width + 0.34) * len(rows) + 0.4), dpi=DPI, layout="constrained")
    boxes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for box, (caption, sheet) in zip(boxes, sheets.items(), strict=True):
        box.imshow(sheet, interpolation="nearest")
        box.set_axis_off()
        box.set_title(caption, loc="left", fontsize=10)
    figure.suptitle(f"Pretraining {player}", fontsize=11, x=0.01, ha="left")
    return figure


def _running_mean(values: Sequence[float], window: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.convolve(np.asarray(values, dtype=np.float64), np.full(window, 1 / window), mode="valid")
