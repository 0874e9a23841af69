"""What every detector must keep to; see :mod:`fakeoff.arena.contract` for how to use it.

from fakeoff.detectors.contract import DetectorContract

class TestMyDetector(DetectorContract):
    player = "my_detector"
"""

from __future__ import annotations

import unittest
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.contract.breaches import ContractBreach
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.detectors.attackable import why_not_attackable
from fakeoff.detectors.contract.field import check_field
from fakeoff.detectors.contract.judging import Judges

_LEARNED, _KNOWN_ALREADY = 0.6, 0.1  # cross entropy, where ln 2 = 0.69 is to know nothing


class DetectorContract(Judges):
    """The contract of one detector: a subclass names it as ``player``.

    What a detector cannot do is skipped: training, an attack that follows its gradient, patches.
    """

    def has_learned(self, player: Detector, looks: list[float]) -> bool:
        looks.append(self._cross_entropy(player))
        return looks[-1] <= self._clearly_learned()

    def test_training_learns_a_toy(self) -> None:
        """Training teaches it to tell dark, smooth reals from bright, noisy fakes."""
        looks = self.school().looks
        goal = self._clearly_learned()
        if min(looks) > goal:
            by = f"within {self.most_steps} steps" if self.by_steps() else "by a fit"
            how = "the loss must reach the weights through backward() and step(); a small learning rate may need more "
            how += "steps: most_steps"
            if not self.by_steps():
                how = "batches() comes in another order each time: take images and labels from the same batch"
            raise ContractBreach(
                expected=f"{by} on dark, smooth reals and bright, noisy fakes, the cross entropy of score against the "
                f"truth falls to {goal:.2f} on others like them, in eval mode",
                came=f"{looks[-1]:.2f}, from {self._first_look():.2f} before",
                mend=f"is_fake is True for fakes, and score is P(fake); {how}",
            )

    def test_evasion_leads_images_towards_passing_as_real(self) -> None:
        """An attack can follow it: against the gradient of evasion_loss, images look more real to it."""
        self.needs(self.test_the_evasion_loss_is_a_number, self.test_judging_twice_gives_the_same)
        player = (self.trained() if self.can_learn() else self.build()).eval()
        if not player.differentiable:
            raise unittest.SkipTest("it says that it is not differentiable: it plays, but no attack can follow it")
        batch, _ = self.toy(2, seed=2)
        if why := why_not_attackable(player, batch):
            own = type(player).evasion_loss not in (Detector.evasion_loss, PatchDetector.evasion_loss)
            raise ContractBreach(
                expected="evasion_loss(images) is a scalar with a gradient by the images, finite and not zero",
                came=why,
                mend="no no_grad(), detach(), round() or argmax between the images and the loss; a loss on logits "
                "keeps its gradient where probabilities are 0 or 1: F.cross_entropy(logits, real)"
                + ("" if own else "; or say so: differentiable = False, and attacks pass it over"),
            )
        asked = [parameter for parameter in player.parameters() if parameter.requires_grad]
        try:
            player.requires_grad_(False)  # frozen, as an attack has it
            self._check_descent(player, batch.requires_grad_())
        finally:
            for parameter in asked:
                parameter.requires_grad_(True)

    def _check_descent(self, player: Detector, batch: Tensor) -> None:
        loss = self.evasion_loss(player, batch)
        (gradient,) = torch.autograd.grad(loss, batch)
        with torch.no_grad():
            pixels = (1e-1, 1e-2, 1e-3)  # at most; the loss is far from straight
            after = [self.evasion_loss(player, batch - step * gradient / gradient.abs().max()) for step in pixels]
        if min(after) >= loss:
            raise ContractBreach(
                expected="a small step against its gradient lowers evasion_loss",
                came=f"{min(after).item():.6g} after {loss.item():.6g}",
                mend="let the gradient be the loss's own: no straight-through estimates, no hooks",
            )

    def test_the_receptive_field_is_true(self) -> None:
        """A patch sees the pixels of its receptive field, all of them and no others."""
        self.needs(self.test_patches_are_judged)
        check_field(self._new_and_trained(), resolution=self.resolution)

    def _new_and_trained(self) -> Iterator[PatchDetector]:
        player = self.build()
        assert isinstance(player, PatchDetector)
        yield player
        if self.can_learn():
            player.load_state_dict(self.trained().state_dict())
            yield player

    def _cross_entropy(self, player: Detector) -> float:
        """Of an even toy batch that no training sees."""
        images, is_fake = self.toy(16, seed=-1)
        scores = self.score(player, images).clamp(1e-6, 1 - 1e-6)
        return F.binary_cross_entropy(scores, is_fake.float()).item()

    def _first_look(self) -> float:
        return self.kept("first look", lambda: self._cross_entropy(self.build()))

    def _clearly_learned(self) -> float:
        return max(min(_LEARNED, 0.9 * self._first_look()), _KNOWN_ALREADY)


__all__ = ["DetectorContract"]
