"""How the contract asks a generator for its images, and what it makes of an answer that has another form."""

from __future__ import annotations

import unittest

import numpy as np
import torch
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import check_tensor
from fakeoff.arena.contract.training import Learns
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.abilities import Ability, has_own
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import Batch, Generator, abilities

_BATCH = 8


class Asked(Learns[Generator]):
    """A generator that is asked for samples, latents and manipulations."""

    def lesson(self, player: Generator, step: int) -> Batch:
        del step  # the same reals each time, so that a few steps go far
        if self.can("manipulator"):
            shown = faces(player)
            return Batch(images=shown.images, person=shown.person)
        return Batch(images=noise(player, _BATCH, 7))

    def samples(self) -> bool:
        """Whether it samples; a manipulator need not."""
        player = self.player_class()
        return has_own(player, "sample") or has_own(player, "decode") or not self.can("manipulator")

    def must_sample(self) -> None:
        if not self.samples():
            raise unittest.SkipTest("it makes its fakes of reals: it has no sample")

    def check_resolution(self, player: Generator) -> None:
        __tracebackhide__ = True
        resolution = getattr(player, "resolution", None)
        if not isinstance(resolution, int) or resolution < 1:
            raise ContractBreach(
                expected="resolution is the height and width of the images, an int",
                came=repr(resolution),
                mend="self.resolution = resolution in __init__",
            )

    def made(self, player: Generator, n: int) -> Tensor:
        """Images of its own: samples, or what a manipulator that does not sample makes of faces."""
        if self.samples():
            return self.sample(player, n)
        shown = faces(player).images
        places = torch.arange(n) % len(shown)
        return self.manipulate(player, shown[places.roll(1)], shown[places]).images

    def can(self, ability: Ability) -> bool:
        return ability in abilities(self.player_class())

    def must(self, ability: Ability) -> None:
        if not self.can(ability):
            raise unittest.SkipTest(f"it is not {'a ' * (ability == 'manipulator')}{ability}")

    def sample(self, player: Generator, n: int, *, seed: int = 0, rng: torch.Generator | None = None) -> Tensor:
        __tracebackhide__ = True
        player.eval()
        call = f"sample({n}, rng=rng)"
        with asking(call), torch.no_grad():
            images = player.sample(n, rng=rng or rng_from("sample", seed))
        return check_tensor(images, (n, 3, player.resolution, player.resolution), call=call, bounds=(0, 1))

    def latents(self, player: Generator, rng: torch.Generator | None = None) -> Tensor:
        __tracebackhide__ = True
        rng = rng or rng_from("latents")
        dim = getattr(player, "latent_dim", None)
        if not isinstance(dim, int):
            raise ContractBreach(
                expected="latent_dim is the length of a latent, an int",
                came=repr(dim),
                mend="self.latent_dim = latent_dim in __init__",
            )
        call = "latents(3, rng=rng)"
        with asking(call):
            latents = player.latents(3, rng=rng)
        return check_tensor(latents, (3, dim), call=call)

    def decode(self, player: Generator, z: Tensor, rng: torch.Generator | None = None) -> Tensor:
        __tracebackhide__ = True
        call = "decode(z)" if rng is None else "decode(z, rng=rng)"
        with asking(call):
            images = player.decode(z) if rng is None else player.decode(z, rng=rng)
        return check_tensor(images, (len(z), 3, player.resolution, player.resolution), call=call)

    def manipulate(self, player: Generator, sources: Tensor, targets: Tensor) -> Batch:
        __tracebackhide__ = True
        call = "manipulate(sources, targets, rng=rng)"
        with asking(call), torch.no_grad():
            made = player.manipulate(sources, targets, rng=rng_from("manipulate"))
        if not isinstance(made, Batch):
            raise ContractBreach(
                expected=f"{call} returns a Batch: images, and where it is known the mask of what was changed",
                came=type(made).__name__,
                mend="return Batch(images=images)",
            )
        check_tensor(made.images, tuple(targets.shape), call=call, bounds=(0, 1))
        return made


def faces(player: Generator) -> Batch:
    """Twelve photographs of ORL: two of each of six persons, of whom two are of each split."""
    photographs = orl_faces().photographs["train"]
    names = sorted({photograph.group for photograph in photographs})[:6]
    shown = [photograph for name in names for photograph in [each for each in photographs if each.group == name][:2]]
    pixels = [
        images.generator_transform(read_image(photograph.path), resolution=player.resolution, colour="grey")
        for photograph in shown
    ]
    person = torch.arange(len(shown)) // 2
    return Batch(images=images.to_tensor(np.stack(pixels)), person=person, split=person // 2)


def noise(player: Generator, n: int, seed: int) -> Tensor:
    """Images of a generator's resolution that hold nothing; float32 ``(n, 3, resolution, resolution)``."""
    side = player.resolution
    return compute.image_layout(torch.rand(n, 3, side, side, generator=rng_from("images", seed)))


__all__ = ["Asked", "faces", "noise"]
