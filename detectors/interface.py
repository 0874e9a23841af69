"""What a detector is: the players who catch fakes.

Images are float32, ``(n, 3, h, w)``, RGB in [0, 1]; scores are float32 ``(n,)``, P(fake) in [0, 1].
Randomness is an argument: a player draws from ``rng`` and never from, or into, global state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import overridden
from fakeoff.arena.players.plan import Batches, Plan
from fakeoff.detectors.receptive_field import ReceptiveField


class Detector(nn.Module):
    """A judge of whole images.

    A plugin's parameters are the keyword arguments of its ``__init__``, typed and with defaults. Everything
    that decides what :meth:`score` returns belongs in the state dict: it is all that is kept of a version.
    A player works where its weights lie: images are handed to it there, and what it draws from ``rng`` it moves
    there. Parameters that rest say so with ``requires_grad_(False)``.

    :class:`fakeoff.detectors.contract.DetectorContract` holds a player to all of this.

    Attributes:
        differentiable: Whether a gradient flows from its evasion loss to the images, so that an attack can follow it.
        side: Height and width in pixels that it must be shown: the arena resizes for it; None takes any.
    """

    differentiable: bool = True
    side: int | None = None

    def score(self, images: Tensor) -> Tensor:
        """Judges images, each by itself, without changing the detector.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n,)``: P(fake) in [0, 1].
        """
        raise NotImplementedError

    def start(self, plan: Plan) -> None:
        """Makes ready for a training: optimisers, schedules and averages begin here.

        It is called before the first :meth:`train_step` of every training. A player without it keeps its own learning
        rate, and a configuration that sets one is refused.

        Args:
            plan: What is to come.
        """

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        """Takes one step of training; the ability *trainable*.

        A detector without it, and without :meth:`fit`, plays with the weights that it came with.

        Args:
            batch: Images float32 ``(n, 3, h, w)``, RGB in [0, 1], and their ``labels``, bool ``(n,)``: true is fake.
            rng: A CPU generator, the only source of randomness.

        Returns:
            What the step measured, by name, for the training curves.
        """
        raise NotImplementedError

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        """Learns from everything at once, in place of steps: expectation maximisation, a forest, a closed form.

        Args:
            batches: ``batches()`` iterates over all there is to learn from, once, in another order each time.
            rng: A CPU generator, the only source of randomness.

        Returns:
            What was measured, by name.
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
    """

    receptive_field: ReceptiveField

    def patch_scores(self, images: Tensor) -> Tensor:
        """Judges patches.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n, h', w')``: P(fake) of each patch.
        """
        raise NotImplementedError

    def score(self, images: Tensor) -> Tensor:
        return self.patch_scores(images).mean((1, 2))

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The cross entropy of every patch against *real*: the second term of Eq. 4."""
        return _against_real(self.patch_scores(images))


def _against_real(scores: Tensor) -> Tensor:
    # The clamp keeps a score of exactly 1 from an infinite loss.
    return -torch.log1p(-scores.float().clamp(1e-6, 1 - 1e-6)).mean()


_METHODS = {"train_step": "trainable", "fit": "trainable"}


def abilities(player: type[Detector]) -> tuple[str, ...]:
    """What a detector class can do beyond scoring: of ``trainable``, ``differentiable`` and ``patch``.

    ``fixed`` where it does not learn.
    """
    words = [*(overridden(player, Detector, _METHODS) or ("fixed",))]
    if getattr(player, "differentiable", True):
        words.append("differentiable")
    return (*words, "patch") if issubclass(player, PatchDetector) else tuple(words)
