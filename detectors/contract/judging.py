"""The part of a detector's contract that is about its scores, and how it is asked for them."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena import compute
from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import (
    brought_home,
    check_tensor,
    does_not_write,
    leaves_as_it_was,
    leaves_globals_alone,
    same_tensors,
)
from fakeoff.arena.contract.training import Learns
from fakeoff.arena.players.plan import Purpose
from fakeoff.arena.seeds import rng_from, sealed
from fakeoff.detectors import Batch, Detector, PatchDetector, players

_CPU = torch.device("cpu")
_OTHER_SIDES = (32, 48, 64, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384, 512)
TOLERANCE = 1e-4
"""Of scores that should be the same but are summed in another order."""


class Judges(Learns[Detector]):
    """What a detector must keep to that cannot be trained.

    Attributes:
        resolution: Height and width of the images that it is shown, in pixels.
    """

    registry = players
    interface = Detector
    settings = ("resolution",)
    purpose: ClassVar[Purpose] = "defend"
    resolution: ClassVar[int] = 64

    def answer(self, player: Detector, device: torch.device = _CPU) -> dict[str, Tensor]:
        images = self.images(3).to(device)
        said = {"score": self.score(player, images)}
        if isinstance(player, PatchDetector) and self.passes(self.test_patches_are_judged):
            said["patch_scores"] = self.patch_scores(player, images)
        if self.passes(self.test_the_evasion_loss_is_a_number):
            said["evasion_loss"] = self.evasion_loss(player, images).detach()
        return brought_home(said, device, what="scores")

    def answers(self) -> None:
        self.needs(self.test_scores_are_probabilities)

    def answers_alike(self) -> None:
        self.needs(self.test_judging_twice_gives_the_same)

    def lesson(self, player: Detector, step: int) -> Batch:
        images, is_fake = self.toy(8, seed=step)
        return Batch(images=images, is_fake=is_fake)

    def test_scores_are_probabilities(self) -> None:
        """Scores are P(fake) in [0, 1], one for each image, be there one or several."""
        self.needs(self.test_it_is_built_the_same_each_time)
        player = self.build()
        try:
            self.score(player, self.images(3))
        except ContractBreach as breach:
            raise self._with_sides_that_it_takes(breach, player) from breach.__cause__
        self.score(player, self.images(1))

    def test_other_sizes(self) -> None:
        """It judges images of 64 and of 128 pixels."""
        self.answers()
        player = self.build()
        for side in {64, 128} - {self.resolution}:
            try:
                self.score(player, self.images(2, side=side))
            except ContractBreach as breach:
                raise unittest.SkipTest(
                    f"it takes {self.resolution} px but not {side}: play it in an arena of {self.resolution} px "
                    f"([arena] resolution); {breach.came}"
                ) from breach

    def test_patches_are_judged(self) -> None:
        """Patches have scores in [0, 1], and the image's score lies among them."""
        self.must_see_patches()
        player = self.build().eval()
        assert isinstance(player, PatchDetector)
        images = self.images(3)
        patches, scores = self.patch_scores(player, images).flatten(1), self.score(player, images)
        low, high = patches.min(1).values - TOLERANCE, patches.max(1).values + TOLERANCE
        if ((scores < low) | (scores > high)).any():
            worst = int(((scores < low) | (scores > high)).nonzero()[0])
            raise ContractBreach(
                expected="an image's score lies among its patches' scores; by default it is their mean (Eq. 2)",
                came=f"score {scores[worst]:.3f}, and patches from {low[worst]:.3f} to {high[worst]:.3f}",
                mend="leave score as it is inherited, or derive it from patch_scores",
            )

    def test_the_evasion_loss_is_a_number(self) -> None:
        """What an attack is to lower is one finite number."""
        self.answers()
        if self.player_class().evasion_loss is PatchDetector.evasion_loss:
            self.needs(self.test_patches_are_judged)
        self.evasion_loss(self.build().eval(), self.images(2))

    def test_an_image_is_judged_by_itself(self) -> None:
        """An image gets the same score alone and among others."""
        self.needs(self.test_judging_twice_gives_the_same)
        player = (self.trained() if self.can_learn() else self.build()).eval()
        images, _ = self.toy(4, seed=1)
        together = self.score(player, images.clone())
        alone = torch.cat([self.score(player, images[i : i + 1].clone()) for i in range(4)])
        backwards = self.score(player, images.flip(0)).flip(0)
        for other in (alone, backwards):
            if how := same_tensors({"score": together}, {"score": other}, tolerance=TOLERANCE):
                raise ContractBreach(
                    expected="an image gets the same score alone, among others, and in another place among them",
                    came=how,
                    mend="in eval mode, let nothing depend on the batch: no statistics of it, no softmax over it",
                )

    def test_judging_leaves_everything_as_it_was(self) -> None:
        """Judging changes neither the player, nor the images, nor the global random state."""
        self.answers()
        player, images = self.build().eval(), self.images(2)
        for call, judge in self.ways_to_judge(player).items():
            with does_not_write(call, images=images), leaves_as_it_was(player, call), leaves_globals_alone(call):
                judge(images)

    def test_judging_twice_gives_the_same(self) -> None:
        """The same image gets the same score each time."""
        self.answers()
        player, images = self.build().eval(), self.images(2)
        for call, judge in self.ways_to_judge(player).items():
            with sealed("one"):
                first = judge(images.clone())
            with sealed("other"):
                again = judge(images.clone())
            if how := same_tensors({call: first.detach()}, {call: again.detach()}):
                raise ContractBreach(
                    expected=f"{call} says the same of the same images each time",
                    came=how,
                    mend="in eval mode, draw nothing (dropout and noise where self.training), and keep nothing",
                )

    def must_see_patches(self) -> None:
        if not issubclass(self.player_class(), PatchDetector):
            raise unittest.SkipTest("it judges whole images")
        self.answers()

    def ways_to_judge(self, player: Detector) -> dict[str, Callable[[Tensor], Tensor]]:
        """What can be asked of a detector, by how it is written."""
        ways: dict[str, Callable[[Tensor], Tensor]] = {"score(images)": lambda images: self.score(player, images)}
        if self.passes(self.test_the_evasion_loss_is_a_number):
            ways["evasion_loss(images)"] = lambda images: self.evasion_loss(player, images)
        if isinstance(player, PatchDetector) and self.passes(self.test_patches_are_judged):
            ways["patch_scores(images)"] = lambda images: self.patch_scores(player, images)
        return ways

    def score(self, player: Detector, images: Tensor) -> Tensor:
        __tracebackhide__ = True
        player.eval()
        call = f"score(images of {images.shape[-1]} px)"
        with asking(call), torch.no_grad():
            scores = player.score(images)
        return check_tensor(scores, (len(images),), call=call, bounds=(0, 1))

    def patch_scores(self, player: PatchDetector, images: Tensor) -> Tensor:
        __tracebackhide__ = True
        call = f"patch_scores(images of {images.shape[-1]} px)"
        with asking(call), torch.no_grad():
            scores = player.patch_scores(images)
        return check_tensor(scores, (len(images), "h'", "w'"), call=call, bounds=(0, 1))

    def evasion_loss(self, player: Detector, images: Tensor) -> Tensor:
        __tracebackhide__ = True
        with asking("evasion_loss(images)"):
            loss = player.evasion_loss(images)
        return check_tensor(loss, (), call="evasion_loss(images)", dtype=torch.float32)

    def images(self, n: int, *, side: int | None = None) -> Tensor:
        side = side or self.resolution
        return compute.image_layout(torch.rand(n, 3, side, side, generator=rng_from("images", n)))

    def toy(self, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """Reals are dark and smooth, fakes are bright and noisy: whatever a detector looks at, they differ in it."""
        side, rng = self.resolution, rng_from("toy", seed)
        is_fake = torch.arange(n) % 2 == 1
        noisy = 0.5 + 0.4 * torch.rand(n, 3, side, side, generator=rng)
        smooth = F.interpolate(0.1 + 0.2 * torch.rand(n, 3, 4, 4, generator=rng), size=(side, side), mode="bilinear")
        return compute.image_layout(torch.where(is_fake.view(-1, 1, 1, 1), noisy, smooth)), is_fake

    def _with_sides_that_it_takes(self, breach: ContractBreach, player: Detector) -> ContractBreach:
        takes = []
        for side in _OTHER_SIDES if breach.__cause__ is not None else ():
            with contextlib.suppress(ContractBreach):
                self.score(player, self.images(1, side=side))
                takes.append(side)
        if not takes:
            return breach
        return ContractBreach(
            expected=breach.expected,
            came=breach.came,
            mend=f"of the sizes that were tried it takes {', '.join(map(str, takes))} px: resize in score, "
            f"or check it with resolution = {takes[0]} and play it in an arena of that resolution",
        )


__all__ = ["TOLERANCE", "Judges"]
