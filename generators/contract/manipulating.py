"""The part of a generator's contract that is about the fakes that it makes of reals."""

from __future__ import annotations

import unittest

import torch

from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import (
    check_tensor,
    does_not_write,
    leaves_as_it_was,
    leaves_globals_alone,
    same_tensors,
)
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.seeds import rng_from, sealed
from fakeoff.generators import Batch, Generator, Wanted
from fakeoff.generators.contract.asking import Asked, faces, noise

_A_LEVEL = 1.5 / 255
_SIZES: dict[Split, int] = {"train": 3, "val": 1, "test": 2}


class Manipulates(Asked):
    """What a generator must keep to that makes fakes of pairs of reals."""

    def test_manipulating_makes_images(self) -> None:
        """What it manipulates are images, the same for the same seed, and all else stays as it was."""
        self.must("manipulator")
        self.needs(self.test_it_is_built_the_same_each_time)
        player = self.build().eval()
        self.check_resolution(player)
        call = "manipulate(sources, targets, rng=rng)"
        sources, targets = noise(player, 3, 0), noise(player, 3, 1)
        with does_not_write(call, sources=sources, targets=targets), leaves_as_it_was(player, call):
            with leaves_globals_alone(call):
                first = self.manipulate(player, sources, targets).images
            with sealed("other"):
                again = self.manipulate(player, sources, targets).images
        if how := same_tensors({"manipulate": first}, {"manipulate": again}):
            raise ContractBreach(
                expected=f"{call} makes the same images for the same images and the same state of rng",
                came=how,
                mend="draw from rng alone: torch.randn(..., generator=rng); keep nothing from one call to the next",
            )

    def test_a_mask_says_what_was_changed(self) -> None:
        """Where a mask says that nothing was changed, an image is its target."""
        self.must("manipulator")
        self.needs(self.test_manipulating_makes_images)
        player = self.build().eval()
        sources, targets = noise(player, 3, 0), noise(player, 3, 1)
        made = self.manipulate(player, sources, targets)
        if made.mask is None:
            raise unittest.SkipTest("it says of no pixel whether it was changed")
        side = player.resolution
        mask = check_tensor(made.mask, (3, 1, side, side), call="the mask of manipulate", bounds=(0, 1))
        changed = (made.images - targets).abs().amax(1, keepdim=True) > _A_LEVEL
        outside = (changed & (mask == 0)).float().mean().item()
        if outside:
            raise ContractBreach(
                expected="where the mask of manipulate is 0, the image is the target, to a level of 8 bits",
                came=f"{outside:.0%} of the pixels lie there and changed",
                mend="return torch.lerp(targets, made, mask) and that mask; where every pixel is made anew: ones",
            )

    def test_fakes_of_reals_keep_their_split(self) -> None:
        """Asked for fakes of reals, it makes as many of each split as are wanted, the same for the same seed."""
        self.must("manipulator")
        self.needs(self.test_manipulating_makes_images)
        player = self.build().eval()
        call = "fakes(wanted, rng=rng), with reals,"
        reals = faces(player)
        made = []
        with does_not_write(call, **reals.tensors()), leaves_as_it_was(player, call), leaves_globals_alone(call):
            made.append(self._fakes(player, reals, call))
        with sealed("other"):
            made.append(self._fakes(player, reals, call))
        if how := same_tensors({"fakes": made[0].images}, {"fakes": made[1].images}):
            raise ContractBreach(
                expected=f"{call} makes the same images for the same reals and the same state of rng",
                came=how,
                mend="draw from rng alone; keep nothing from one call to the next",
            )

    def _fakes(self, player: Generator, reals: Batch, call: str) -> Batch:
        __tracebackhide__ = True
        wanted = Wanted(n=sum(_SIZES.values()), reals=reals, sizes=_SIZES)
        with asking(call), torch.no_grad():
            made = player.fakes(wanted, rng=rng_from("fakes"))
        if not isinstance(made, Batch):
            raise ContractBreach(
                expected=f"{call} returns a Batch", came=type(made).__name__, mend="Batch(images=images, split=split)"
            )
        counts = None if made.split is None else [int((made.split == index).sum()) for index in range(len(SPLITS))]
        if counts != [_SIZES[split] for split in SPLITS]:
            raise ContractBreach(
                expected=f"{call} returns wanted.sizes of each split, and says it: split of {_SIZES}",
                came="no split" if counts is None else f"{dict(zip(SPLITS, counts, strict=True))}",
                mend="leave fakes as it is inherited; or make each fake of reals of one split, and return that split "
                "with it: Batch(images=images, split=split)",
            )
        side = player.resolution
        check_tensor(made.images, (len(made), 3, side, side), call=call, bounds=(0, 1))
        for name in ("source", "target"):
            places = getattr(made, name)
            if places is not None and not _of_their_split(places, made, reals):
                raise ContractBreach(
                    expected=f"{name} of {call} is int64, and the place in wanted.reals of a real of the fake's split",
                    came=f"{places.dtype}: {places.tolist()}",
                    mend=f"return the place of each fake's {name} among the reals that were shown, or none at all",
                )
        return made


def _of_their_split(places: torch.Tensor, made: Batch, reals: Batch) -> bool:
    assert made.split is not None
    assert reals.split is not None
    if places.dtype != torch.int64 or places.shape != made.split.shape:
        return False
    if places.min().item() < 0 or places.max().item() >= len(reals):
        return False
    return torch.equal(reals.split[places], made.split)


__all__ = ["Manipulates"]
