"""What a generator is: the players who make fakes.

Images at every interface are float32, ``(n, 3, h, w)``, RGB in [0, 1]. Randomness is an argument: a
player draws from ``rng`` and never from, or into, global state.

What a generator can do beyond :meth:`Generator.sample` decides what can be played with it. It says so by
overriding the method; nothing has to be declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from fakeoff.arena.compute import image_layout
from fakeoff.arena.images.batch import Batch, join
from fakeoff.arena.images.reals import Split
from fakeoff.arena.players.abilities import left_to_players
from fakeoff.arena.players.interface import Player
from fakeoff.generators.pairs import Pairs, pair

_AT_A_TIME = 64

ExtraLoss: TypeAlias = Callable[[Tensor], Tensor]
"""Images ``(n, 3, h, w)`` in [0, 1] to a scalar, to be added to the generator's own loss."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Fakes that the arena asks a generator for.

    Attributes:
        n: How many, of all splits together.
        report: Told how many are there, where somebody wants to know.
        reals: What a manipulator makes its fakes of; None for all others. Images float32
            ``(m, 3, resolution, resolution)``, RGB in [0, 1], with ``person`` and ``split``.
        sizes: With reals: how many fakes of each split; ``n`` is their sum.
    """

    n: int
    report: Callable[[int], None] | None = None
    reals: Batch | None = None
    sizes: Mapping[Split, int] = field(default_factory=dict)


class Generator(Player):
    """A maker of fake images.

    :class:`fakeoff.generators.contract.GeneratorContract` holds a player to all of this.

    Attributes:
        resolution: Height and width of the images in pixels.
        latent_dim: Length of a latent, where there are any.
    """

    resolution: int
    latent_dim: int

    @left_to_players()
    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        """Makes images; the same ones for the same state of ``rng``. By default they are decoded from latents.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
        """
        with torch.no_grad():
            return self.decode(self.latents(n, rng=rng), rng=rng).clamp(0, 1)

    @left_to_players()
    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        """Makes the fakes that the arena asks for; by default samples, some at a time.

        Where there are reals to make them of, the default is :meth:`manipulate` of pairs: both photographs of a pair
        are of the same split and of different persons, no pair comes twice before all have come, and the pairs are the
        same for every version. A fake is of the split of its photographs, so that nobody who is seen in training is in
        a fake of test.

        Args:
            wanted: How many, and of what.
            rng: A CPU generator, the only source of randomness.

        Returns:
            ``wanted.n`` images, float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1], and what is known of them.
            Of a fixed set all that there are, with their split. Of reals as many as are wanted of each split, with it
            and with ``source`` and ``target``, places in ``wanted.reals``: pools keep these and the masks, so that a
            fake can be held against what it was made of.
        """
        if wanted.reals is not None:
            return self._of_pairs(wanted, wanted.reals, rng=rng)
        images = []
        for start in range(0, wanted.n, _AT_A_TIME):
            images.append(self.sample(min(_AT_A_TIME, wanted.n - start), rng=rng))
            if wanted.report is not None:
                wanted.report(min(start + _AT_A_TIME, wanted.n))
        return Batch(images=torch.cat(images))

    def _of_pairs(self, wanted: Wanted, reals: Batch, *, rng: torch.Generator) -> Batch:
        pairs = pair(reals, wanted.sizes, rng=rng)  # before anything else is drawn: the same pairs for every version

        def manipulate(sources: Tensor, targets: Tensor) -> Batch:
            shown = (image_layout(reals.images[places]) for places in (sources, targets))
            return self.manipulate(*shown, rng=rng)

        return make_of_pairs(pairs, manipulate, device=reals.images.device, report=wanted.report)

    @left_to_players("trainable", "attackable")
    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        """Takes one step of the generator's own objective; the abilities *trainable* and *attackable*.

        Args:
            batch: Reals: images float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1]; for a manipulator with
                ``person``.
            rng: A CPU generator, the only source of randomness.
            extra_loss: Added on the generator's side. The attack of Eq. 4 passes
                ``weight * detector.evasion_loss`` here; pretraining passes none.

        Returns:
            What the step measured, by name, for the training curves.
        """
        raise NotImplementedError

    def latents(self, n: int, *, rng: torch.Generator) -> Tensor:
        """Draws latents, by default standard normal ones of length ``latent_dim``.

        Args:
            n: How many.
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, latent_dim)``, where the weights lie.
        """
        weights = next(self.parameters(), torch.zeros(()))
        return torch.randn(n, self.latent_dim, generator=rng).to(weights.device)

    @left_to_players("latent")
    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Turns latents into images, differentiably; the ability *latent*.

        Args:
            z: float32 ``(n, latent_dim)``.
            rng: For what is random besides the latents, such as noise maps; where it is None that is left out.

        Returns:
            float32 ``(n, 3, resolution, resolution)``, RGB, meant to lie in [0, 1]. Of ``latents(n, rng=rng)``, and
            with the same ``rng``, it is what :meth:`sample` gives, before that cuts it to [0, 1].
        """
        raise NotImplementedError

    @left_to_players()
    def map_latents(self, z: Tensor) -> Tensor:
        """Maps latents into a space behind them, differentiably, such as StyleGAN's W; only where there is one.

        Args:
            z: float32 ``(n, latent_dim)``.

        Returns:
            float32 ``(n, m)``: what :meth:`synthesise` takes.
        """
        raise NotImplementedError

    @left_to_players()
    def synthesise(self, w: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Turns what :meth:`map_latents` gives into images, differentiably.

        Args:
            w: float32 ``(n, m)``.
            rng: As of :meth:`decode`.

        Returns:
            float32 ``(n, 3, resolution, resolution)``: of ``map_latents(z)`` it is ``decode(z, rng=rng)``.
        """
        raise NotImplementedError

    @left_to_players("invertible")
    def encode(self, images: Tensor) -> Tensor:
        """Finds the latents of images; the ability *invertible*.

        Args:
            images: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].

        Returns:
            float32 ``(n, latent_dim)``: what decodes to them, as nearly as may be.
        """
        raise NotImplementedError

    @left_to_players("manipulator")
    def manipulate(self, sources: Tensor, targets: Tensor, *, rng: torch.Generator) -> Batch:
        """Puts the face or the expression of ``sources`` into ``targets``; the ability *manipulator*.

        The arena shows it pairs of reals, and a generator that has it need not sample.

        Args:
            sources: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].
            targets: Likewise, of other persons.
            rng: A CPU generator, the only source of randomness.

        Returns:
            Images, float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1], and where it is known the mask of what
            was changed: outside of it they are the targets.
        """
        raise NotImplementedError


def make_of_pairs(
    pairs: Pairs,
    manipulate: Callable[[Tensor, Tensor], Batch],
    *,
    device: torch.device,
    report: Callable[[int], None] | None = None,
) -> Batch:
    """Makes the fakes of all pairs, some at a time, with their split and with which reals they are of.

    Args:
        pairs: Of which reals.
        manipulate: Given the places of some sources and of as many targets, int64 ``(k,)``; it returns their fakes.
        device: Where the places are wanted.
        report: Told how many are there.

    Returns:
        As :meth:`Generator.fakes`.

    Raises:
        TypeError: ``manipulate`` returned something else.
    """
    made, count = [], len(pairs.split)
    for start in range(0, count, _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        batch = manipulate(pairs.sources[part].to(device), pairs.targets[part].to(device))
        if not isinstance(batch, Batch):
            raise TypeError(f"manipulate returned {type(batch).__name__}, not a Batch")
        made.append(batch)
        if report is not None:
            report(min(start + _AT_A_TIME, count))
    whole = join(made)
    where = whole.images.device
    return replace(whole, split=pairs.split.to(where), source=pairs.sources.to(where), target=pairs.targets.to(where))
