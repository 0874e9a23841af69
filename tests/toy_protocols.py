"""Experiments that take seconds: a plugin file, with jobs of its own."""

from __future__ import annotations

import random
from typing import Literal

import torch
from matplotlib.figure import Figure

from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import state_arrays
from fakeoff.protocols import Protocol, register
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.rules import referee


def brightness(context: Context) -> Result:
    """The mean of a pool, and of a draw from it."""
    pixels = context.inputs["pool"].arrays["images"]
    drawn = pixels[torch.randperm(len(pixels), generator=context.rng("draw"))[:4].numpy()]
    record = {"mean": float(pixels.mean()), "of a draw": float(drawn.mean()), "scale": context.payload["scale"]}
    return Result(record=record, arrays={"drawn": drawn})


def sum_up(context: Context) -> Result:
    return Result(record={"sum": sum(result.record["mean"] for result in context.inputs.values())})


def give_up(context: Context) -> Result:
    raise JobFailed(f"gave up at {context.payload['at']}")


def brighten(context: Context) -> Result:
    """A player's state, all of it moved up."""
    generator = referee.build_generator(context.payload["generator"], version=context.inputs["version"])
    arrays = {name: array + 1 for name, array in state_arrays(generator).items()}
    return Result(record={}, arrays=arrays)


def forget_threshold(context: Context) -> Result:
    return Result(record={}, arrays=dict(context.inputs["version"].arrays))


@register("toy_experiment")
class ToyExperiment(Protocol):
    """How bright the fakes are, before and after an attack.

    Args:
        scale: Passed on to the jobs.
        fails: What goes wrong at the end.
    """

    def __init__(
        self, *, scale: float = 1.0, fails: Literal["", "raises", "job", "nan", "exits", "misuses"] = ""
    ) -> None:
        self.scale, self.fails = scale, fails

    def play(self, bench: Bench) -> None:
        entered = bench.enter()
        detectors = bench.defend(bench.detectors, entered)
        versions = [*entered, *bench.attack(entered, targets=detectors, weight=0.5)]
        jobs = {
            bench.job(
                brightness, payload={"scale": self.scale}, inputs={"pool": version.pools["test"]}, label=version.label
            ): version
            for version in versions
        }
        rows = []
        for job, result in bench.run("pools are measured", jobs).items():
            version = jobs[job]
            bench.log({f"brightness/{version.player}": result.record["mean"]}, step=version.round)
            rows.append({"version": version.label, "brightness": result.record["mean"], "targets": None})
        bench.log({"a throw of global dice": random.random()})
        if self.fails == "raises":
            raise ValueError("the experiment's own bug")
        if self.fails == "job":
            bench.run("something fails", [bench.job(give_up, payload={"at": at}, label=at) for at in ("one", "two")])
        if self.fails == "nan":
            bench.log({"brightness": float("nan")}, step=3)
        if self.fails == "exits":
            raise SystemExit(3)
        if self.fails == "misuses":
            bench.attack(detectors, targets=detectors)
        bench.table("brightness", rows)
        figure = Figure(figsize=(3, 2), dpi=50)
        figure.subplots().bar([str(row["version"]) for row in rows], [float(str(row["brightness"])) for row in rows])
        bench.figure("bars", figure)
        bench.file("notes.txt", b"bright\n")
