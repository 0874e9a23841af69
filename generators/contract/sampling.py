"""The part of a generator's contract that is about its samples."""

from __future__ import annotations

import torch
from torch import Tensor

from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import (
    check_tensor,
    leaves_as_it_was,
    leaves_globals_alone,
    same_tensors,
)
from fakeoff.arena.seeds import rng_from, sealed
from fakeoff.generators import Batch, Generator, Wanted, players
from fakeoff.generators.contract.asking import noise
from fakeoff.generators.contract.manipulating import Manipulates

_CPU = torch.device("cpu")


class Samples(Manipulates):
    """What a generator without any further capability must keep to."""

    registry = players
    interface = Generator

    def answer(self, player: Generator, device: torch.device = _CPU) -> dict[str, Tensor]:
        said = {"sample": self.sample(player, 3)} if self.samples() else {}
        if self.can("latent") and self.passes(self.test_latents_decode_to_images):
            said["decode"] = self.decode(player, self.latents(player).to(device)).detach()
        if self.can("manipulator") and self.passes(self.test_manipulating_makes_images):
            faces = [noise(player, 3, seed).to(device) for seed in range(2)]
            said["manipulate"] = self.manipulate(player, *faces).images
        weighs = next(player.parameters(), None) is not None  # or nothing tells sample where to be
        for name, value in said.items():
            if value.device != device and (weighs or name != "sample"):
                raise ContractBreach(
                    expected=f"{name} returns images on the device of the player's weights, {device}",
                    came=f"images on {value.device}",
                    mend="move what is drawn from rng to the weights: z.to(next(self.parameters()).device)",
                )
        return {name: value.cpu() for name, value in said.items()}

    def answers(self) -> None:
        self.needs(self.test_samples_are_images if self.samples() else self.test_manipulating_makes_images)

    def answers_alike(self) -> None:
        self.needs(self.test_the_seed_decides_the_samples if self.samples() else self.test_manipulating_makes_images)

    def test_samples_are_images(self) -> None:
        """Samples are RGB images of its resolution in [0, 1], one or several."""
        self.must_sample()
        self.needs(self.test_it_is_built_the_same_each_time)
        player = self.build()
        self.check_resolution(player)
        for n in (1, 3):
            self.sample(player, n)

    def test_the_seed_decides_the_samples(self) -> None:
        """The same seed makes the same images, whatever happened before."""
        self.must_sample()
        self.answers()
        player = self.build()
        with sealed("one"):
            first = self.sample(player, 3)
        with sealed("other"):
            again = self.sample(player, 3)
        if how := same_tensors({"sample": first}, {"sample": again}):
            raise ContractBreach(
                expected="sample(3, rng=rng) makes the same images for the same state of rng",
                came=how,
                mend="draw from rng alone: torch.randn(..., generator=rng); keep nothing from one call to the next",
            )

    def test_other_seeds_make_other_samples(self) -> None:
        """Another seed makes other images."""
        self.must_sample()
        self.answers()
        player = self.build()
        if torch.equal(self.sample(player, 3, seed=1), self.sample(player, 3, seed=2)):
            raise ContractBreach(
                expected="sample(3, rng=rng) makes other images for another state of rng",
                came="the same images for two seeds",
                mend="draw from the rng that is handed over, torch.randn(..., generator=rng), and from no other",
            )

    def test_a_source_of_randomness_goes_on(self) -> None:
        """Asked twice with one source of randomness, it does not repeat itself."""
        self.must_sample()
        self.needs(self.test_samples_are_images, self.test_other_seeds_make_other_samples)
        player, rng = self.build(), rng_from("goes on")
        if torch.equal(self.sample(player, 2, rng=rng), self.sample(player, 2, rng=rng)):
            raise ContractBreach(
                expected="sample moves rng on, so that the next call makes other images",
                came="the same images twice",
                mend="draw from rng itself; a generator seeded with rng.initial_seed() starts anew each time",
            )

    def test_sampling_leaves_everything_as_it_was(self) -> None:
        """Sampling leaves the player and the global random state as they were."""
        self.must_sample()
        self.answers()
        player = self.build().eval()
        with leaves_as_it_was(player, "sample(3, rng=rng)"), leaves_globals_alone("sample(3, rng=rng)"):
            self.sample(player, 3)

    def test_latents_decode_to_images(self) -> None:
        """Latents of the length that it names decode to images."""
        self.must("latent")
        self.answers()
        player = self.build().eval()
        self.decode(player, self.latents(player))

    def test_images_are_encoded(self) -> None:
        """What images are encoded to decodes to something nearer to them than to other images."""
        self.must("invertible")
        self.needs(self.test_latents_decode_to_images, self.test_other_seeds_make_other_samples)
        player = self.build().eval()
        images = self.sample(player, 3)
        with asking("encode(images)"), torch.no_grad():
            latents = player.encode(images)
        check_tensor(latents, (3, player.latent_dim), call="encode(images)")
        rebuilt = self.decode(player, latents).detach()
        own, other = ((rebuilt - images.roll(by, 0)).square().mean().item() for by in (0, 1))
        if own >= other:
            raise ContractBreach(
                expected="decode(encode(images)) is nearer to the images than to others",
                came=f"a mean squared distance of {own:.3g} to its own image and of {other:.3g} to another",
                mend="encode into the latents that decode takes, in the same order",
            )

    def test_fakes_are_samples(self) -> None:
        """Asked for fakes, it makes as many images as are wanted, the same for the same seed."""
        self.must_sample()
        self.needs(self.test_the_seed_decides_the_samples)
        player = self.build().eval()
        call = "fakes(wanted, rng=rng)"
        made = []
        for seed in ("one", "other"):
            with sealed(seed), asking(call), torch.no_grad():
                made.append(player.fakes(Wanted(n=3), rng=rng_from("fakes")))
            if not isinstance(made[-1], Batch):
                raise ContractBreach(
                    expected=f"{call} returns a Batch", came=type(made[-1]).__name__, mend="Batch(images=images)"
                )
            count = 3 if made[-1].split is None else len(made[-1])  # with a split of their own they are all there are
            side = player.resolution
            check_tensor(made[-1].images, (count, 3, side, side), call=call, bounds=(0, 1))
        if how := same_tensors({"fakes": made[0].images}, {"fakes": made[1].images}):
            raise ContractBreach(
                expected=f"{call} makes the same images for the same state of rng",
                came=how,
                mend="draw from rng alone; keep nothing from one call to the next",
            )


__all__ = ["Samples"]
