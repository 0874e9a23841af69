"""How much attack each detector stands: average precision over the budget of attacks and over what they cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fakeoff.arena.errors import PluginError
from fakeoff.arena.images.postprocessing import parse_operations
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.protocol import read_sights, share_resamples
from fakeoff.protocols.interface import Protocol, Seeds
from fakeoff.protocols.strength.shots import Range
from fakeoff.protocols.strength.stage import Stage
from fakeoff.protocols.strength.tables import log_range


class Strength(Protocol):
    """Attacks every detector with more and more steps of finetuning, and finds how many it takes to break it.

    The *half-life* of a detector is the budget at which its average precision falls below a level. Beside finetuned
    generators (Eq. 4), images are attacked by themselves (projected gradient descent), and both are drawn over what
    they cost the images. Everybody judges what was made against each: transfer. And attackers and judges are set behind
    JPEG, blur and resizing: what survives on the way to a real user.

    Args:
        steps: Budgets of finetuning, ascending.
        pixels: Budgets of attacks on images: how far a pixel may go, in 8-bit levels, ascending. None with `[]`.
        pixel_steps: Of the gradient, of each of these.
        through: What lies between, each a chain such as `jpeg:75` or `resize:0.5+jpeg:75`. Nothing with `[]`.
        level: Average precision below which a detector counts as broken.
        seeds: Trainings of each detector, each attacked anew.
    """

    def __init__(
        self,
        *,
        steps: Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(min_length=1)] = (
            5,
            10,
            20,
            40,
            80,
            160,
        ),
        pixels: tuple[Annotated[float, Field(gt=0, le=255)], ...] = (1.0, 2.0, 4.0),
        pixel_steps: Annotated[int, Field(ge=1)] = 10,
        through: tuple[str, ...] = (),
        level: Annotated[float, Field(gt=0.5, lt=1)] = 0.75,
        seeds: Seeds = 1,
    ) -> None:
        if list(steps) != sorted(set(steps)) or list(pixels) != sorted(set(pixels)):
            raise ValueError("budgets ascend: write steps=[5, 10, 20], each once")
        if len(set(through)) < len(through):
            raise ValueError("through names each chain once")
        for chain in through:
            if not parse_operations(chain):
                raise ValueError("through names what lies between, such as jpeg:75; leave it empty for nothing")
        self.steps, self.pixels, self.pixel_steps = steps, pixels, pixel_steps
        self.through, self.level, self.seeds = through, level, seeds

    def play(self, bench: Bench) -> None:
        entered = list(bench.enter())
        attackers = [version for version in entered if bench.can(version, "attackable")]
        if not attackers:
            raise PluginError("strength needs a generator that learns and takes extra_loss: enter one, such as pgan")
        stage = Stage(bench, entered, attackers)
        for seed in range(self.seeds):
            stage.train(seed)
        for seed in range(self.seeds):  # the first of everything first: an interrupted game has whole curves
            for judge in stage.targets(seed):
                for steps in self.steps:
                    stage.finetune(judge, seed, steps=steps, everybody=steps == self.steps[-1])
        for seed in range(self.seeds):
            for chain in self.through:
                for judge in stage.targets(seed):
                    stage.finetune(judge, seed, steps=self.steps[-1], through=chain)
        if passed_over := stage.passed_over():
            bench.table("passed over", passed_over)
        shots = list(stage.finetuned())
        shots += stage.shoot_pixels(self.pixels, steps=self.pixel_steps, through=self.through)
        shots += stage.judge_through(shots, self.through)
        if not any(shot.against for shot in shots):
            raise PluginError(
                "nobody was attacked: enter a detector that a gradient flows through, such as resnet18_layer1"
            )
        found = Range(
            shots,
            resamples=share_resamples(bench, {version.player: version for version in entered}),
            store=bench.store,
            confidence=bench.config.score.confidence,
        )
        log_range(bench, found, sights=read_sights(bench, stage.judges()), level=self.level)


__all__ = ["Strength"]
