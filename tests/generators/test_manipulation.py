"""The pieces of facial manipulation: landmarks, mesh, warp, masks, colours and blending, on the ORL faces."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fakeoff.arena import images
from fakeoff.arena.images.reals import orl_faces
from fakeoff.generators.manipulation import (
    GROUPS,
    FaceFinder,
    Faces,
    align,
    blend,
    face_mask,
    lookup,
    match_colour,
    mean_face,
    mouth_mask,
    move,
    poisson_blend,
    polygon_mask,
    triangles,
    warp,
    with_ring,
)
from fakeoff.generators.manipulation.expression import anchored, expression_of, neutral_shapes, shape_frames


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """One of each of the eight people of test, at 64 px."""
    return images.to_tensor(orl_faces().load("test", resolution=64, colour="grey"))[::10]


@pytest.fixture(scope="module")
def faces(finder: FaceFinder, photographs: Tensor) -> Faces:
    return finder(photographs)


def test_a_face_is_found_in_photographs_and_not_in_what_shows_none(
    finder: FaceFinder, photographs: Tensor, faces: Faces
) -> None:
    assert faces.found.all()
    assert not finder(torch.rand(8, 3, 64, 64, generator=rng())).found.any()
    assert not finder(torch.full((1, 3, 64, 64), 0.5)).found.any()
    assert finder(photographs.flip(2)).found.float().mean() < 0.5  # upside down


def test_the_finder_is_never_in_training_mode_and_learns_nothing(finder: FaceFinder) -> None:
    assert not any(module.training for module in finder.train().modules())
    assert not any(parameter.requires_grad for parameter in finder.parameters())


def test_every_point_is_in_a_triangle_and_the_mesh_covers_the_mean_face_once() -> None:
    points = with_ring(mean_face()[None])[0]
    corners = triangles()
    assert sorted(corners.unique().tolist()) == list(range(len(points)))
    a, b, c = points[corners].unbind(1)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).abs() / 2
    ring = points[len(mean_face()) :]
    turned = ring.roll(-1, 0)
    hull = (ring[:, 0] * turned[:, 1] - ring[:, 1] * turned[:, 0]).sum().abs() / 2
    assert area.sum().item() == pytest.approx(hull.item(), rel=0.01)


def test_the_mean_face_is_its_own_mirror_image() -> None:
    mirrored = mean_face() * torch.tensor([-1.0, 1.0]) + torch.tensor([2 * mean_face()[:, 0].mean().item(), 0.0])
    apart = torch.cdist(mirrored, mean_face()).amin(1)
    assert apart.median() < 0.005
    assert apart.max() < 0.04  # the mesh's nose has points on one side that the other has not


def test_a_similarity_is_found_again() -> None:
    turn = torch.tensor([[[0.8, -0.6, 3.0], [0.6, 0.8, -2.0]]]) * torch.tensor([1.5, 1.5, 1.0])
    moved = move(mean_face()[None], turn)
    torch.testing.assert_close(align(mean_face()[None], moved), turn)
    torch.testing.assert_close(move(moved, align(moved, mean_face())), mean_face()[None])


def test_a_warp_onto_itself_is_the_identity(photographs: Tensor, faces: Faces) -> None:
    mesh = with_ring(faces.points)
    torch.testing.assert_close(warp(photographs, mesh, mesh), photographs, atol=1e-4, rtol=0)


def test_a_warp_brings_every_point_to_where_it_shall_be(faces: Faces) -> None:
    """Coordinates themselves as the image: at each landmark of the new shape is where it came from."""
    was, to = with_ring(faces.points[:1]), with_ring(faces.points[1:2])
    places = lookup(was, to, (64, 64))
    points = faces.points[1, GROUPS["nose"]]
    found = torch.nn.functional.grid_sample(
        places.permute(0, 3, 1, 2), (points / 32 - 1)[None, None], align_corners=False
    )[0, :, 0].T
    assert (found - faces.points[0, GROUPS["nose"]]).norm(dim=1).median() < 0.6


def test_outside_of_the_mesh_nothing_moves(photographs: Tensor, faces: Faces) -> None:
    mesh = with_ring(0.5 * faces.points + 16)
    moved = mesh.clone()
    moved[:, : len(mean_face())] += 0.7
    drawn = warp(photographs, mesh, moved)
    corner = (drawn - photographs)[..., :6, :6].abs().max()
    assert corner < 1e-4
    assert (drawn - photographs).abs().max() > 0.05


@pytest.mark.parametrize("by", ["images", "shapes", "to"])
def test_the_gradient_of_a_warp_is_what_finite_differences_say(by: str, photographs: Tensor, faces: Faces) -> None:
    smooth = torch.nn.functional.avg_pool2d(photographs[:1], 9, 1, 4).double()
    given = {
        "images": smooth,
        "shapes": with_ring(faces.points[:1]).double(),
        "to": with_ring(faces.points[1:2]).double(),
    }
    weights = torch.rand(1, 3, 64, 64, generator=rng(), dtype=torch.float64)
    direction = torch.randn(given[by].shape, generator=rng(1), dtype=torch.float64)

    def value(step: float) -> Tensor:
        moved = {**given, by: given[by] + step * direction}
        return (warp(moved["images"], moved["shapes"], moved["to"]) * weights).sum()

    free = given[by].clone().requires_grad_()
    (warp(*({**given, by: free}[name] for name in ("images", "shapes", "to"))) * weights).sum().backward()
    assert free.grad is not None
    step = 1e-5
    expected = ((value(step) - value(-step)) / (2 * step)).item()
    # Where a pixel changes its triangle, or its place its cell, there is a kink.
    assert (free.grad * direction).sum().item() == pytest.approx(expected, rel=0.02)


def test_a_polygons_mask_is_hard_without_a_feather_and_grows_inwards_with_one() -> None:
    square = torch.tensor([[[2.0, 2.0], [12.0, 2.0], [12.0, 10.0], [2.0, 10.0]]])
    hard = polygon_mask(square, (16, 16))
    assert hard.sum() == 80
    soft = polygon_mask(square, (16, 16), feather=3.0)
    assert ((soft > 0) == (hard > 0)).all()
    assert soft.max() == 1
    assert soft[0, 0, 6, 2] < soft[0, 0, 6, 3] < soft[0, 0, 6, 5] == 1


def test_masks_of_faces_lie_in_the_unit_interval_and_within_the_oval(faces: Faces) -> None:
    mask, inside = face_mask(faces), polygon_mask(faces.group("oval"), (64, 64))
    assert mask.min() == 0
    assert mask.max() <= 1
    assert (mask.amax((1, 2, 3)) > 0.95).all()
    assert (mask > 0)[inside == 0].float().mean() < 0.01
    opened = faces.points.clone()
    lips = opened[:, GROUPS["inner_lips"]]
    opened[:, GROUPS["inner_lips"]] = lips + torch.where(lips[..., 1:] > lips[..., 1:].mean(1, keepdim=True), 6.0, 0.0)
    assert (mouth_mask(opened, (64, 64)).sum((1, 2, 3)) > mouth_mask(faces.points, (64, 64)).sum((1, 2, 3))).all()


def test_colours_become_those_of_the_other_and_grey_stays_grey(photographs: Tensor, faces: Faces) -> None:
    mask = face_mask(faces)
    coloured = 0.3 + 0.3 * photographs * torch.tensor([1.0, 0.8, 0.6])[:, None, None]
    like = coloured.roll(1, 0) * torch.tensor([0.7, 0.9, 1.0])[:, None, None]
    matched = match_colour(coloured, like, mask)
    wanted, found = ((each * mask).sum((2, 3)) / mask.sum((2, 3)) for each in (like, matched))
    torch.testing.assert_close(found, wanted, atol=0.01, rtol=0)
    grey = match_colour(photographs, photographs.roll(1, 0), mask)
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("blended", [blend, poisson_blend])
def test_where_the_mask_is_0_a_blended_image_is_the_target(blended, photographs: Tensor, faces: Faces) -> None:  # type: ignore[no-untyped-def]
    mask, targets = face_mask(faces), photographs.roll(1, 0)
    made = blended(photographs, targets, mask)
    outside = (mask == 0).expand_as(made)
    assert torch.equal(made[outside], targets[outside])
    assert made.min() >= 0
    assert made.max() <= 1
    assert (made - targets).abs().max() > 0.1


def test_poisson_blending_takes_a_shift_of_brightness_away(photographs: Tensor, faces: Faces) -> None:
    """A face that differs by a constant is the target again; feathering keeps the constant."""
    mask = face_mask(faces)
    lighter = 0.5 * photographs + 0.4
    darker = lighter - 0.2
    assert (poisson_blend(darker, lighter, mask) - lighter).abs().max() < 1e-3
    assert (blend(darker, lighter, mask) - lighter).abs().max() > 0.19
    nothing = torch.zeros_like(mask)
    assert torch.equal(poisson_blend(darker, lighter, nothing), lighter)


def test_an_expression_is_what_moved_and_neither_a_turned_head_nor_another_place() -> None:
    rest = mean_face()[None]
    opened = rest.clone()
    lips = slice(GROUPS["outer_lips"].start, GROUPS["inner_lips"].stop)
    lower = rest[0, lips, 1] > rest[0, lips, 1].mean()
    opened[:, lips, 1] += 0.05 * lower
    moved = expression_of(opened, rest)
    assert moved[0, lips][lower, 1].mean() == pytest.approx(0.05, abs=0.01)
    chin = moved[0, GROUPS["oval"], 1].max().item()
    assert 0.03 < chin < 0.05
    shifted = rest + torch.tensor([0.1, 0.0])
    assert anchored(shifted - rest).abs().max() < 1e-6
    turn = torch.tensor([[[0.9, -0.3, 5.0], [0.3, 0.9, 9.0]]])
    back = move(move(rest, turn), shape_frames(move(rest, turn)))
    torch.testing.assert_close(back, rest, atol=1e-4, rtol=0)


def test_a_face_at_rest_is_the_mean_of_a_persons_photographs_and_of_the_mean_face() -> None:
    shapes = mean_face() + torch.tensor([0.1, 0.3, 0.5])[:, None, None]
    alike = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    rest = neutral_shapes(shapes, alike) - mean_face()
    torch.testing.assert_close(rest[:, 0, 0], torch.tensor([0.4 / 3, 0.4 / 3, 0.25]))
