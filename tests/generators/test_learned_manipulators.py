"""`deepfakes` and `neural_textures`: what they learn, what an attack reaches, and that a training resumes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.images.reals import Split, orl_faces
from fakeoff.arena.players.specs import load_weights, write_spec
from fakeoff.generators import Batch, Plan, abilities, players
from fakeoff.generators.contract.asking import faces as orl_pairs
from fakeoff.generators.manipulation import polygon_mask, recolour
from fakeoff.generators.manipulation.faces import GROUPS
from fakeoff.generators.manipulation.learned import LearnedManipulator, draw_others
from fakeoff.generators.manipulation.texture import (
    draw_texture,
    of_others,
    placed_anew,
    texture_places,
    toned,
    unwrap,
    warped,
)

NAMES = ("deepfakes", "neural_textures")


def build(name: str, *, trained: bool = False, **parameters: Any) -> LearnedManipulator[Any, Any]:
    player = players.build(name, {"weights": "", **parameters})
    assert isinstance(player, LearnedManipulator)
    if trained:
        weights = write_spec(players, name=name, plugin=name, parameters={}).weights
        assert weights is not None
        load_weights(player, weights)
    return player


def photographs(split: Split, count: int) -> tuple[Tensor, Tensor]:
    """Of as many photographs of a split as are wanted, spread over its people: images and persons."""
    source = orl_faces()
    shown, person = source.load(split, resolution=64, colour="grey"), torch.tensor(source.persons(split))
    places = torch.arange(count) * len(person) // count
    return images.to_tensor(shown[places.numpy()]), person[places]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def step(player: LearnedManipulator[Any, Any], seed: int, **given: Any) -> dict[str, float]:
    shown = orl_pairs(player)
    return player.train_step(Batch(images=shown.images, person=shown.person), rng=rng(seed), **given)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_manipulators_that_learn_and_attack(name: str) -> None:
    assert abilities(players.load(name)) == ("trainable", "attackable", "manipulator")


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_that_ship_draw_people_whom_they_never_saw_better_than_none_do(name: str) -> None:
    shown, person = photographs("test", 32)
    errors = []
    for trained in (True, False):
        player = build(name, trained=trained).eval()
        lesson = player.study(shown, player.finder(shown))
        errors.append(player.drawn(lesson, draw_others(person, same=True, rng=rng()), rng=rng()))
    assert errors[0] < 0.95 * errors[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_training_resumes_to_the_last_bit(name: str) -> None:
    whole = build(name, resolution=32).train()
    whole.start(Plan(purpose="pretrain", steps=3, batch=12))
    step(whole, 0)
    state = {key: value.clone() for key, value in whole.state_dict().items()}
    training = copy.deepcopy(whole.training_state())  # as a file would hold it
    resumed = build(name, resolution=32).train()
    resumed.load_state_dict(state)
    resumed.load_training_state(training)
    for player in (whole, resumed):
        for seed in (1, 2):
            step(player, seed)
    assert int(whole.images_seen) == 36
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_is_the_average_and_makes_the_same_fakes(name: str) -> None:
    player = build(name, resolution=32).train()
    step(player, 0)
    shipped = player.shipped_state()
    assert not any(key.startswith(("finder.", "network.")) for key in shipped)
    again = build(name, resolution=32)
    again.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in shipped.items()}
    )
    shown = orl_pairs(player).images
    made = [each.eval().manipulate(shown[:2], shown[2:4], rng=rng()).images.detach() for each in (player, again)]
    assert (made[0] - made[1]).abs().max() < 2 / 255  # float16
    for key, value in again.average.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key])


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_is_shown_what_changing_makes(name: str) -> None:
    """The fakes of a step are those of the same pairs by `change`, as long as the network is its average."""
    player = build(name, resolution=32).train()
    shown = orl_pairs(player)
    assert shown.person is not None
    seen: list[Tensor] = []

    def watch(fakes: Tensor) -> Tensor:
        seen.append(fakes.detach().clone())
        return 0 * fakes.sum()

    player.start(Plan(purpose="attack", steps=1, batch=len(shown)))
    player.train_step(Batch(images=shown.images, person=shown.person), rng=rng(), extra_loss=watch)
    reals = Batch(images=shown.images, person=shown.person, split=torch.zeros_like(shown.person))
    faces = build(name, resolution=32).finder(shown.images)
    before = build(name, resolution=32).eval()
    for target in (0, 7):
        sources = (shown.person != shown.person[target]).nonzero().squeeze(1)
        with torch.no_grad():
            made = before.change(reals, faces, sources, torch.full_like(sources, target)).images
        assert (made - seen[0][target]).abs().amax((1, 2, 3)).min() < 1e-4  # of one of the others
    changed = ((seen[0] - shown.images).abs().amax(1) > 1 / 255).float().mean((1, 2))
    assert (changed > 0.02).all()  # every photograph of the batch is a target
    assert (changed < 0.9).all()


def test_others_are_of_the_same_person_or_of_another_one() -> None:
    person = torch.tensor([0, 0, 1, 1, 1, 2])
    for seed in range(20):
        same = draw_others(person, same=True, rng=rng(seed))
        assert (person[same] == person).all()
        assert (same[:5] != torch.arange(5)).all()
        assert same[5] == 5  # alone
        other = draw_others(person, same=False, rng=rng(seed))
        assert (person[other] != person).all()
    assert torch.equal(draw_others(torch.zeros(3), same=False, rng=rng()), torch.arange(3))


def test_a_texture_drawn_where_it_came_from_is_the_face() -> None:
    shown, _ = photographs("val", 4)
    points = build("deepfakes").finder(shown).points
    drawn = draw_texture(unwrap(shown, points, 96), texture_places(points, (64, 64), 96))
    face = polygon_mask(points[:, GROUPS["oval"]], (64, 64))
    assert ((drawn - shown).abs() * face).sum() / (3 * face.sum()) < 0.02
    # In a texture every face has its eyes in the same place.
    eyes = polygon_mask(points[:, GROUPS["left_eye"]], (64, 64))

    def together(masks: Tensor) -> float:
        return ((masks.amin(0) > 0.5).sum() / (masks.amax(0) > 0.5).sum()).item()

    assert together(unwrap(eyes, points, 64)) > 0.4 > 4 * together(eyes)


def test_who_has_no_other_photograph_is_told_by_the_mirror_image() -> None:
    textures = torch.rand(3, 1, 4, 4, generator=rng())
    drawn = of_others(textures, torch.tensor([1, 0, 2]))
    assert torch.equal(drawn[:2], textures[[1, 0]])
    assert torch.equal(drawn[2], textures[2].flip(-1))


def test_bending_moves_what_is_shown_and_no_strength_nothing() -> None:
    shown, _ = photographs("val", 2)
    assert torch.allclose(warped(shown, strength=0.0, rng=rng()), shown, atol=1e-5)
    bent = warped(shown, strength=0.02, rng=rng())
    assert 0.005 < (bent - shown).abs().mean() < 0.1
    assert torch.equal(bent, warped(shown, strength=0.02, rng=rng()))


def test_a_mouth_is_the_persons_own_and_only_the_lower_face_changes() -> None:
    shown = orl_pairs(build("neural_textures", resolution=64))
    player = build("neural_textures", trained=True).eval()
    faces = player.finder(shown.images)
    with torch.no_grad():
        made = player.change(shown, faces, torch.tensor([0, 2]), torch.tensor([2, 0]))
    assert made.mask is not None
    assert (made.mask[:, :, :28] == 0).all()  # eyes and brows stay
    hidden = shown.images.clone()
    hidden[4:] = 0  # everybody else
    others = Batch(images=hidden, person=shown.person, split=shown.split)
    with torch.no_grad():
        again = player.change(others, faces, torch.tensor([0, 2]), torch.tensor([2, 0]))
    assert torch.equal(again.images, made.images)


def test_what_is_placed_anew_is_the_same_picture_smaller_elsewhere_or_mirrored() -> None:
    ramp = torch.linspace(0, 1, 32).expand(64, 1, 32, 32).clone()
    whole, inside, mirrored = placed_anew(ramp, smallest=1.0, rng=torch.Generator().manual_seed(0))
    assert inside.eq(1).all()
    assert 10 < mirrored.sum() < 54
    assert torch.allclose(whole[~mirrored], ramp[~mirrored], atol=0.02)
    assert torch.allclose(whole[mirrored], ramp[mirrored].flip(-1), atol=0.02)

    frame = torch.ones_like(ramp)
    maps, inside, _ = placed_anew(torch.cat([ramp, frame], 1), smallest=0.4, rng=torch.Generator().manual_seed(1))
    sizes = inside.mean((1, 2, 3)).sqrt()
    assert 0.39 < sizes.min() < 0.5
    assert 0.9 < sizes.max() <= 1
    assert maps[:, 1].sub(1).abs().max() < 1e-5  # beyond the frame its border goes on
    # All of the picture is in the frame: from its darkest to its brightest column.
    shown = maps[:, :1].masked_fill(inside < 1, 0.5)
    assert torch.allclose(shown.amin((1, 2, 3)), torch.tensor(0.0), atol=0.1)
    assert torch.allclose(shown.amax((1, 2, 3)), torch.tensor(1.0), atol=0.1)


def test_another_exposure_leaves_middle_grey_where_its_offset_puts_it() -> None:
    pictures = torch.full((200, 1, 4, 4), 0.5)
    contrast, offset = toned(pictures, strength=0.0, rng=torch.Generator().manual_seed(0))
    assert torch.equal(pictures * contrast + offset, pictures)
    contrast, offset = toned(pictures, strength=0.3, rng=torch.Generator().manual_seed(0))
    assert (pictures * contrast + offset).std() == pytest.approx(0.3, rel=0.2)
    assert contrast.log().std() == pytest.approx(0.3, rel=0.2)


def test_lips_keep_their_colour_where_it_is_taken_from_nearby() -> None:
    like = torch.zeros(1, 3, 64, 64)
    like[:] = torch.tensor([0.6, 0.5, 0.4]).reshape(1, 3, 1, 1)
    like[..., 40:44, 20:40] = torch.tensor([0.6, 0.2, 0.2]).reshape(1, 3, 1, 1)
    grey = images.luminance(like)[:, :1]
    redness = lambda made: (made[:, 0] / made[:, 1])[0, 41:43, 25:35].mean().item()  # noqa: E731
    assert redness(recolour(grey, like, reach=0.03)) == pytest.approx(3, rel=0.15)
    assert redness(recolour(grey, like)) < 2  # of what surrounds them
