"""What every generator must keep to; see :mod:`fakeoff.arena.contract` for how to use it.

from fakeoff.generators.contract import GeneratorContract

class TestMyGAN(GeneratorContract):
    player = "my_gan"
    parameters = {"resolution": 16}
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fakeoff.arena.contract.breaches import ContractBreach
from fakeoff.arena.contract.checks import check_tensor, same_tensors
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch
from fakeoff.generators.contract.sampling import Samples

_BATCH = 16
_ATTACK_STEPS = 64
# Of the mean of the samples, which lies in [0, 1].
_CLEARLY = 0.01
_MOST_OUTSIDE, _ALIKE = 0.2, 0.1
_STRENGTH = 100.0
_TOLERANCE = 1e-4


class GeneratorContract(Samples):
    """The contract of one generator: a subclass names it as ``player``.

    What a generator cannot do is skipped: training and attack, latents, manipulation.
    """

    def test_training_moves_the_samples(self) -> None:
        """What is trained is what samples are made with."""
        trained = self.school().player
        if torch.equal(self.made(self.build(), 2), self.made(trained, 2)):
            raise ContractBreach(
                expected="after training, sample makes other images than before",
                came="the same images",
                mend="sample with the weights that are trained, or with an average that training moves",
            )

    def test_training_learns_from_the_reals(self) -> None:
        """What it learns depends on the reals."""
        self.needs(self.test_training_measures_finite_numbers, self.test_training_moves_the_samples)
        school, other = self.school(), self.build()
        darker = Batch(images=0.2 * self.lesson(other, 0).images)
        if not self.by_steps():
            self.fit(other, lesson=darker)
        for step in range(len(school.measured) if self.by_steps() else 0):
            self.step(other, step, lesson=darker)
        if torch.equal(self.made(school.player, 2), self.made(other, 2)):
            raise ContractBreach(
                expected="trained on darker reals, it makes other images",
                came="the same images",
                mend="use the reals in the loss: extra_loss alone is no objective of the generator's own",
            )

    def test_an_extra_loss_sees_images(self) -> None:
        """An attack sees the fakes: images with their gradient, at every step."""
        self.school()
        self.must("attackable")
        player = self.build()
        seen: list[Tensor] = []

        def watch(fakes: Tensor) -> Tensor:
            seen.append(fakes)
            shape = (len(fakes), 3, player.resolution, player.resolution)
            dtype = torch.bfloat16 if fakes.dtype == torch.bfloat16 else torch.float32
            check_tensor(fakes, shape, call="train_step hands extra_loss what", dtype=dtype)
            return _STRENGTH * fakes.square().mean()

        self.step(player, 0, extra_loss=watch)
        if not seen:
            raise ContractBreach(
                expected="train_step calls extra_loss(fakes) and adds what it returns to the generator's loss",
                came="it was not called",
                mend="if extra_loss is not None: loss = loss + extra_loss(fakes)",
            )
        if not all(fakes.requires_grad for fakes in seen):
            raise ContractBreach(
                expected="train_step hands extra_loss the fakes with their gradient",
                came="fakes that were cut off from the generator",
                mend="make the fakes for it without no_grad(), detach() or .data",
            )

        # What a generator makes may leave [0, 1], but then it is the same images that sample cuts off.
        fakes, sampled = seen[0].detach().float(), self.made(self.build(), _BATCH)
        outside = ((fakes < -0.05) | (fakes > 1.05)).float().mean().item()
        if outside > _MOST_OUTSIDE and (fakes.clamp(0, 1).mean() - sampled.mean()).abs() > _ALIKE:
            raise ContractBreach(
                expected="train_step hands extra_loss images in [0, 1], such as sample makes",
                came=f"values from {fakes.min().item():.3g} to {fakes.max().item():.3g}",
                mend="extra_loss((images + 1) / 2) where they lie in [-1, 1]",
            )

    def test_an_extra_loss_leads_the_samples(self) -> None:
        """An attack leads the samples: asked for other brightness, they get it."""
        self.needs(self.test_training_moves_the_samples, self.test_an_extra_loss_sees_images)
        plain, led = self.build(), self.build()
        what, measure = self._asked_for()
        aim, word = (-1.0, "less") if measure(self.made(plain, _BATCH)).mean() > 0.3 else (1.0, "more")
        moved = 0.0
        for step in range(_ATTACK_STEPS):
            self.step(plain, step)
            self.step(led, step, extra_loss=lambda fakes: _STRENGTH * (measure(fakes) - aim).square().mean())
            if step % 4 == 3:
                after, without = (measure(self.made(player, _BATCH)).mean().item() for player in (led, plain))
                moved = (after - without) * aim
                if moved > _CLEARLY:
                    return
        raise ContractBreach(
            expected=f"an extra loss that is low for images of {word} {what} makes samples of {word} {what} than they "
            f"have without it: by {_CLEARLY} in {_ATTACK_STEPS} steps",
            came=f"by {round(moved, 4) + 0.0}",
            mend="hand extra_loss images in [0, 1] (not in [-1, 1]), add what it returns to the loss that the "
            "generator's optimiser steps on, and sample with the weights that it moves",
        )

    def _asked_for(self) -> tuple[str, Callable[[Tensor], Tensor]]:
        """What an attack asks for, and how much of it there is in each image.

        A manipulator may give what it draws the colours of the photograph that it is put into, so that no attack makes
        it brighter as a whole; it is asked for a brighter or darker left side.
        """
        if self.samples():
            return "brightness", lambda images: images.mean((1, 2, 3))

        return "brightness on the left", lambda images: images.tensor_split(2, dim=-1)[0].mean((1, 2, 3))

    def test_latents_decode_as_sampling_does(self) -> None:
        """Decoding latents is what sampling does."""
        self.needs(self.test_latents_decode_to_images, self.test_other_seeds_make_other_samples)
        player = self.build().eval()
        rng = rng_from("latents")  # one for both: noise besides the latents is drawn after them
        decoded = self.decode(player, self.latents(player, rng), rng).detach().clamp(0, 1)
        sampled = self.sample(player, 3, rng=rng_from("latents"))
        if how := same_tensors({"sample": decoded}, {"sample": sampled}, tolerance=_TOLERANCE):
            raise ContractBreach(
                expected="sample(n, rng=rng) is decode(latents(n, rng=rng), rng=rng), cut to [0, 1]",
                came=how,
                mend="leave sample as it is inherited; or let it call latents before anything else, and decode",
            )

    def test_each_latent_makes_its_own_image(self) -> None:
        """Each latent makes its own image, and its gradient comes from that image alone."""
        self.needs(self.test_latents_decode_as_sampling_does)
        player = self.build().eval()
        z = self.latents(player).requires_grad_()
        images = self.decode(player, z)
        alone = torch.cat([self.decode(player, z[i : i + 1]) for i in range(len(z))])
        if how := same_tensors({"decode": images.detach()}, {"decode": alone.detach()}, tolerance=_TOLERANCE):
            raise ContractBreach(
                expected="a latent decodes to the same image alone and among others",
                came=how,
                mend="in eval mode, let nothing depend on the batch: no batch statistics, no minibatch features",
            )
        gradient = torch.autograd.grad(images[0].sum(), z, allow_unused=True)[0] if images.requires_grad else None
        if gradient is None or not gradient.isfinite().all() or not gradient[0].any():
            raise ContractBreach(
                expected="decode(z) is differentiable: the gradient of an image reaches its latent",
                came="no gradient" if gradient is None else "a gradient that is zero or not finite",
                mend="no no_grad(), detach(), round() or argmax in decode",
            )
        if gradient[1:].any():
            raise ContractBreach(
                expected="the gradient of an image reaches its own latent alone",
                came="it reaches those of its neighbours",
                mend="in eval mode, let nothing depend on the batch: no batch statistics, no minibatch features",
            )


__all__ = ["GeneratorContract"]
