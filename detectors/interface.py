"""What a detector is: the players who catch fakes.

Images are float32, ``(n, 3, h, w)``, RGB in [0, 1]; scores are float32 ``(n,)``, P(fake) in [0, 1].
Randomness is an argument: a player draws from ``rng`` and never from, or into, global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.players.abilities import left_to_players
from fakeoff.arena.players.interface import Player
from fakeoff.detectors.decision import Decision, decide
from fakeoff.detectors.receptive_field import ReceptiveField


class Detector(Player):
    """A judge of whole images.

    :class:`fakeoff.detectors.contract.DetectorContract` holds a player to all of this.

    Attributes:
        differentiable: Whether a gradient flows from its evasion loss to the images, so that an attack can follow it.
        side: Height and width in pixels that it must be shown: the arena resizes for it; None takes any.
        cumulative: Whether a defence goes on from the state of the round before; most begin anew. It is read from the
            class.
    """

    differentiable: bool = True
    side: int | None = None
    cumulative: bool = False

    @classmethod
    def turn_round(cls, parameters: Mapping[str, Any]) -> str:
        """Says what to do where its scores are P(real): what a user reads who entered it so, and it cannot learn.

        Args:
            parameters: All of the constructor's, by name.

        Returns:
            A sentence without its end.
        """
        del parameters
        return "let score return P(fake), not P(real)"

    def score(self, images: Tensor) -> Tensor:
        """Judges images, each by itself, without changing the detector.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n,)``: P(fake) in [0, 1].
        """
        raise NotImplementedError

    def evasion_loss(self, images: Tensor) -> Tensor:
        """Says how far images are from passing as real; the ability *differentiable*.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            A scalar that the images' gradients flow from, low where they pass as real. By default the cross
            entropy of :meth:`score` against *real*.
        """
        return _against_real(self.score(images))


class PatchDetector(Detector):
    """A judge of patches; an image's score is the mean over its patches (the paper's Eq. 2).

    Attributes:
        receptive_field: What one patch sees.
        decision: What is pooled to the image's score, if not their mean: :func:`fakeoff.detectors.decision.decide`.
    """

    receptive_field: ReceptiveField
    decision: Decision = "after_softmax"

    @left_to_players("patch")
    def patch_scores(self, images: Tensor) -> Tensor:
        """Judges patches.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n, h', w')``: P(fake) of each patch.
        """
        raise NotImplementedError

    def score(self, images: Tensor) -> Tensor:
        return decide(self.patch_scores(images), self.decision)

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The cross entropy of every patch against *real*: the second term of Eq. 4."""
        return _against_real(self.patch_scores(images))


def _against_real(scores: Tensor) -> Tensor:
    # The clamp keeps a score of exactly 1 from an infinite loss.
    return -torch.log1p(-scores.float().clamp(1e-6, 1 - 1e-6)).mean()
