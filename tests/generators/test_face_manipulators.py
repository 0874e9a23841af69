"""Manipulators on the ORL faces: what the contract does not ask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.images.reals import SPLITS, Split, orl_faces
from fakeoff.generators import Batch, Generator, Wanted, abilities, players
from fakeoff.generators.manipulation.player import FaceManipulator

GRAPHICS = ("faceswap", "face2face")
NAMES = (*GRAPHICS, "deepfakes", "neural_textures")
SIZES: dict[Split, int] = {"train": 4, "val": 4, "test": 4}


def build(name: str, **parameters: object) -> FaceManipulator:
    player = players.build(name, parameters).eval()
    assert isinstance(player, FaceManipulator)
    return player


@pytest.fixture(scope="module")
def reals() -> Batch:
    """Of two people of each split four photographs, at 64 px."""
    source = orl_faces()
    parts, people, splits = [], [], []
    for index, split in enumerate(SPLITS):
        pixels, persons = source.load(split, resolution=64, colour="grey"), torch.tensor(source.persons(split))
        for who in persons.unique()[:2]:
            places = (persons == who).nonzero().squeeze(1)[:4]
            parts.append(images.to_tensor(pixels[places.numpy()]))
            people += [int(who)] * 4
            splits += [index] * 4
    return Batch(images=torch.cat(parts), person=torch.tensor(people), split=torch.tensor(splits))


def fakes(player: Generator, reals: Batch, seed: int = 0) -> Batch:
    with torch.no_grad():
        return player.fakes(
            Wanted(n=sum(SIZES.values()), reals=reals, sizes=SIZES), rng=torch.Generator().manual_seed(seed)
        )


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest, reals: Batch) -> Batch:
    return fakes(build(request.param), reals)


def bits(shown: Tensor) -> Tensor:
    return torch.from_numpy(images.quantise(shown, colour="grey")).int()


def test_they_are_manipulators_that_do_not_learn() -> None:
    for name in GRAPHICS:
        assert abilities(players.load(name)) == ("manipulator", "fixed")


def test_outside_of_its_mask_every_fake_is_a_photograph_of_its_own_split_to_the_last_level(
    made: Batch, reals: Batch
) -> None:
    assert made.mask is not None
    assert made.split is not None
    assert reals.split is not None
    shown, own = bits(made.images), bits(reals.images)
    for fake, mask, split in zip(shown, made.mask[:, 0], made.split, strict=True):
        outside = mask == 0
        assert outside.float().mean() > 0.05
        same = [(fake[outside] == real[outside]).all().item() for real in own]
        assert sum(same) == 1  # a background alone tells the photograph
        assert reals.split[same.index(True)] == split


def test_masks_lie_in_the_unit_interval_and_something_changed_in_each(made: Batch, reals: Batch) -> None:
    assert made.mask is not None
    assert made.mask.min() >= 0
    assert made.mask.max() <= 1
    assert (made.mask.mean((1, 2, 3)) > 0.01).all()
    nearest = torch.cdist(made.images.flatten(1), reals.images.flatten(1)).amin(1)
    assert (nearest > 0.1).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes_and_another_other_pairs(name: str, reals: Batch) -> None:
    player = build(name)
    one, same, other = fakes(player, reals), fakes(player, reals), fakes(player, reals, seed=1)
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)


@pytest.mark.parametrize("name", NAMES)
def test_photographs_without_a_face_are_left_out(name: str, reals: Batch) -> None:
    """In half of the photographs there is noise: no fake has it outside of its mask, and nobody's face is noise."""
    noise = torch.rand(reals.images.shape, generator=torch.Generator().manual_seed(0))
    blank = torch.arange(len(reals)) % 2 == 0
    shown = Batch(
        images=torch.where(blank[:, None, None, None], noise, reals.images), person=reals.person, split=reals.split
    )
    made = fakes(build(name), shown)
    assert made.mask is not None
    for fake, mask in zip(bits(made.images), made.mask[:, 0], strict=True):
        same = [(fake[mask == 0] == real[mask == 0]).all().item() for real in bits(shown.images)]
        assert [place % 2 for place in range(len(same)) if same[place]] == [1]


def test_a_split_without_faces_of_two_people_is_refused_in_one_line(reals: Batch) -> None:
    assert reals.split is not None
    blank = (reals.split == 2)[:, None, None, None]
    shown = Batch(images=torch.where(blank, 0.5, reals.images), person=reals.person, split=reals.split)
    with pytest.raises(ValueError, match=r"a face was found in 0 of the 8 test reals"):
        fakes(build("faceswap"), shown)


def test_a_swapped_face_lies_nearer_to_its_source_than_the_target_did(reals: Batch) -> None:
    """In the middle of the face, in the target's colours."""
    player = build("faceswap")
    sources, targets = torch.tensor([0, 8, 16]), torch.tensor([4, 12, 20])
    faces = player.finder(reals.images)
    made = player.change(reals, faces, sources, targets)
    assert made.mask is not None
    again = player.change(reals, faces, targets, targets)  # a face onto itself
    assert (again.images - reals.images[targets]).abs().max() < 2 / 255
    assert ((made.images - reals.images[targets]).abs() * made.mask).amax((1, 2, 3)).min() > 0.1


def test_an_expression_is_transferred_and_the_targets_own_does_nothing(reals: Batch) -> None:
    player = build("face2face")
    faces = player.finder(reals.images)
    places = torch.tensor([0, 8, 16])
    same = player.change(reals, faces, places, places)
    assert (same.images - reals.images[places]).abs().max() < 2 / 255
    assert same.mask is not None
    assert same.mask.mean() < 0.02


def test_a_mouth_comes_from_the_target_persons_photographs_of_the_same_split_alone(reals: Batch) -> None:
    """What all others show may change; a fake does not."""
    player = build("face2face")
    faces = player.finder(reals.images)
    sources, targets = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5, 6, 7])
    made = player.change(reals, faces, sources, targets)
    hidden = reals.images.clone()
    hidden[:4] = 0
    hidden[8:] = 0
    others = Batch(images=hidden, person=reals.person, split=reals.split)
    assert torch.equal(player.change(others, faces, sources, targets).images, made.images)
    own = Batch(images=reals.images.clone(), person=reals.person, split=reals.split)
    own.images[4:8] = own.images[4:8].flip(0)
    assert not torch.equal(player.change(own, faces, sources, targets).images, made.images)


@pytest.mark.parametrize("name", NAMES)
def test_colour_stays_colour(name: str, reals: Batch) -> None:
    tint = torch.tensor([1.0, 0.8, 0.6])[:, None, None]
    coloured = Batch(images=reals.images * tint, person=reals.person, split=reals.split)
    made = fakes(build(name), coloured)
    ratio = made.images[:, 0].mean() / made.images[:, 2].mean()
    assert ratio.item() == pytest.approx(1 / 0.6, rel=0.05)
