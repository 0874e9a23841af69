"""Detectors that learn a generator's samples, its reprojections of real photographs, or both (section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from fakeoff import generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.abilities import abilities
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.protocol import Generalize, together
from fakeoff.protocols.generalize.trials import Trials
from fakeoff.protocols.interface import Seeds
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.reproject.figures import draw_explained, draw_quality, draw_reprojections
from fakeoff.protocols.reproject.reprojections import MARK, Reprojection, SearchSettings, reproject_all
from fakeoff.protocols.reproject.rows import gain_rows, passed_over_rows, quality_rows, reprojection_row
from fakeoff.protocols.rules.perceptual import DistanceName

Learn: TypeAlias = Literal["samples", "reprojections", "both"]
"""Which of a generator's fakes a detector learns."""


class Reproject(Generalize):
    """Projects real photographs into generators, and trains detectors on samples, on reprojections and on both.

    A reprojection is the image of a generator that comes closest to a photograph: a fake with a real for its pair, so
    that what is left to see is what the generator cannot make (Bau et al., "Seeing what a GAN cannot generate", ICCV
    2019). The paper trained on both (section 4.1, Table 2). Photographs of train, of val and of test are projected each
    for the pool of their own split; a generator's reprojections are met as one more generator, `pgan~reals`.

    What *generalize* shows is shown. Besides: how near the reprojections come, and pictures of them.

    Fake is positive, at 50/50 prevalence: 0.5 is chance.

    Args:
        train_on: Generators to train on, one after the other; by default each whose reprojections can be learned.
        seeds: Trainings of each detector on each of them.
        project: Generators to project photographs into; by default each that has latents.
        learn: Which of their fakes: `samples`, `reprojections`, `both`.
        steps: Of the search for a photograph's latent, at most; val decides how many.
        encoder_steps: Of the training of an encoder, on a generator's own samples, that gives the search its start
            where a generator has none; 0 trains none, and the search starts at the mean latent.
        rate: Of the search, at its beginning.
        distance: What the search makes small, besides the difference of pixels: `lpips`, `lpips_vgg` or `pyramid`. The
            first two need the asset `lpips`, and `pyramid` is taken without it.
    """

    def __init__(
        self,
        *,
        train_on: tuple[str, ...] = (),
        seeds: Seeds = 1,
        project: tuple[str, ...] = (),
        learn: tuple[str, ...] = get_args(Learn),
        steps: int = 100,
        encoder_steps: int = 600,
        rate: float = 0.05,
        distance: DistanceName = "lpips",
    ) -> None:
        super().__init__(train_on=train_on, seeds=seeds)
        if not learn or set(learn) - set(get_args(Learn)):
            raise ValueError(f"learn names some of {', '.join(get_args(Learn))}, and here it is {', '.join(learn)}")
        if steps < 1 or encoder_steps < 0 or rate <= 0:
            raise ValueError("steps are at least 1, encoder_steps at least 0, and the rate is above 0")
        self.learn, self.project = learn, project
        self.search = SearchSettings(steps=steps, encoder_steps=encoder_steps, rate=rate, distance=distance)

    def play(self, bench: Bench) -> None:
        self._check(bench)
        entered = list(bench.enter())
        asked = [version for version in entered if version.player in (self.project or bench.generators)]
        found = reproject_all(bench, [one for one in asked if bench.can(one, "latent")], self.search)
        if passed_over := passed_over_rows(bench, entered, asked, found):
            bench.table("passed over", passed_over)
        if found:
            _show(bench, found)
        shadows = [one.version for one in found if not one.on_val.is_exact]
        self.study(bench, [*entered, *shadows], self._groups(shadows))

    def _check(self, bench: Bench) -> None:
        if bench.config.defend.adversarial:
            raise PluginError(
                "reprojections are of photographs and cannot be moved against a detector: set defend.adversarial=0"
            )
        if not any("latent" in abilities(generators.players.load(entry.plugin)) for entry in bench.config.generators):
            raise PluginError(
                "no generator that plays here has latents, so no photograph can be projected: enter one that has a "
                "method decode, such as --generators pgan"
            )
        for parameter, names in (("train_on", self.train_on), ("project", self.project)):
            for name in names:
                if name not in bench.generators:
                    raise PluginError(
                        f"{parameter} names '{name}', and no generator of that name plays. There are: "
                        f"{', '.join(bench.generators)}"
                    )
        for name in self.train_on:
            if self.project and name not in self.project:
                raise PluginError(f"train_on names '{name}', which project leaves out: name it there, too")

    def log(self, bench: Bench, trials: Trials) -> None:
        super().log(bench, trials)
        bench.figure("average precision", draw_explained(trials))
        learned = {name: self._names(name) for name in bench.generators}
        if gains := gain_rows(trials, learned):
            bench.table("reprojections in place of samples", gains)

    def _groups(self, shadows: Sequence[Version]) -> dict[str, tuple[str, ...]]:
        """What is trained on: the players of each group, by its name."""
        names = [shadow.player.removesuffix(MARK) for shadow in shadows]
        of = [self._names(name) for name in names if not self.train_on or name in self.train_on]
        return {group: together(group) for groups in of for group in groups.values()}

    def _names(self, generator: str) -> dict[str, str]:
        """The groups of one generator's fakes, by what is learned."""
        named = {"samples": generator, "reprojections": generator + MARK, "both": f"{generator}+{generator}{MARK}"}
        return {learn: named[learn] for learn in self.learn}


def _show(bench: Bench, found: Sequence[Reprojection]) -> None:
    bench.table("reprojection", [reprojection_row(bench, one) for one in found])
    bench.table("quality over steps", [row for one in found for row in quality_rows(one)])
    bench.figure("quality over steps", draw_quality(found))
    for one in found:
        bench.figure(f"reprojections of {one.of.player}", draw_reprojections(bench, one))


__all__ = ["Learn", "Reproject"]
