"""The parser that ships, on held-out people: coarse facts that any good parser keeps, not figures of one training."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena import images
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.parsers import LANDMARKS, PARTS
from fakeoff.arena.parsers.face_unet import FaceUNet
from fakeoff.arena.players.specs import find_weights, load_weights

_WEIGHTS = find_weights("face-unet", FaceUNet)
_STARTS = dict(zip(LANDMARKS, np.cumsum([0, *LANDMARKS.values()])[:-1].tolist(), strict=True))


@pytest.fixture(scope="module")
def parser() -> FaceUNet:
    parser = FaceUNet()
    load_weights(parser, _WEIGHTS)
    return parser.eval()


@pytest.fixture(scope="module")
def faces() -> Tensor:
    """Every second photograph of the eight held-out people, at 64 px."""
    return images.to_tensor(orl_faces().load("test", resolution=64, colour="grey"))[::2]


@pytest.fixture(scope="module")
def labels(parser: FaceUNet, faces: Tensor) -> Tensor:
    with torch.no_grad():
        return parser.label(faces)


@pytest.fixture(scope="module")
def points(parser: FaceUNet, faces: Tensor) -> Tensor:
    with torch.no_grad():
        return parser.landmarks(faces)


def _rows(labels: Tensor, part: str) -> Tensor:
    """The mean row of a part in each image."""
    mask = (labels == PARTS.index(part)).float()
    return (mask.sum(2) * torch.arange(labels.shape[1])).sum(1) / mask.sum((1, 2))


def _group(points: Tensor, name: str) -> Tensor:
    return points[:, _STARTS[name] : _STARTS[name] + LANDMARKS[name]]


def test_it_is_small() -> None:
    assert _WEIGHTS.stat().st_size < 4_000_000


def test_it_finds_the_parts_of_a_face_in_their_order_from_top_to_bottom(labels: Tensor) -> None:
    order = [_rows(labels, part) for part in ("brow", "eye", "nose", "mouth")]
    for upper, lower in itertools.pairwise(order):
        assert (upper < lower).float().mean() >= 0.95


def test_it_finds_every_part_that_a_portrait_must_have(labels: Tensor) -> None:
    for part in ("hair", "skin", "brow", "eye", "nose", "mouth"):
        assert (labels == PARTS.index(part)).any(2).any(1).float().mean() >= 0.95, part
    assert not (labels == PARTS.index("hat")).any()


def test_it_labels_both_halves_of_a_mirror_image_alike(parser: FaceUNet, faces: Tensor, labels: Tensor) -> None:
    with torch.no_grad():
        mirrored = parser.label(faces.flip(-1)).flip(-1)
    assert (mirrored == labels).float().mean() > 0.9


@pytest.mark.parametrize("size", [32, 128, 200])
def test_the_same_face_gets_the_same_parts_at_any_size(
    parser: FaceUNet, faces: Tensor, labels: Tensor, size: int
) -> None:
    resized = F.interpolate(faces[:12], size=(size, size), mode="bilinear", antialias=True)
    with torch.no_grad():
        found = parser.label(resized)
    assert found.shape == (12, size, size)
    at_64 = F.interpolate(found[:, None].float(), size=(64, 64), mode="nearest-exact")[:, 0]
    assert (at_64 == labels[:12]).float().mean() > 0.85


def test_right_is_the_persons_own(points: Tensor) -> None:
    assert (_group(points, "right_eye")[..., 0].mean(1) < _group(points, "left_eye")[..., 0].mean(1)).all()
    assert (_group(points, "right_brow")[..., 0].mean(1) < _group(points, "left_brow")[..., 0].mean(1)).all()


def test_landmarks_lie_on_the_parts_that_they_outline(labels: Tensor, points: Tensor) -> None:
    for name, part in (("right_eye", "eye"), ("left_eye", "eye"), ("nose", "nose"), ("inner_lips", "mouth")):
        centre = _group(points, name).mean(1).long().clamp(0, 63)
        found = labels[torch.arange(len(labels)), centre[:, 1], centre[:, 0]]
        assert (found == PARTS.index(part)).float().mean() >= 0.85, name


def test_landmarks_move_with_the_face(parser: FaceUNet, faces: Tensor, points: Tensor) -> None:
    shifted = torch.cat([faces[..., 6:], faces[..., -1:].expand(-1, -1, -1, 6)], -1)
    with torch.no_grad():
        moved = parser.landmarks(shifted)
    step = (_group(points, "nose") - _group(moved, "nose"))[..., 0].mean(1)
    assert ((step - 6).abs() < 1.5).float().mean() >= 0.9


def test_landmarks_scale_with_the_picture(parser: FaceUNet, faces: Tensor, points: Tensor) -> None:
    wide = F.interpolate(faces[:8], size=(64, 48), mode="bilinear", antialias=True)
    with torch.no_grad():
        found = parser.landmarks(wide)
    expected = points[:8] * torch.tensor([48 / 64, 1.0])
    assert (found - expected).abs().mean() < 1.5


@pytest.mark.parametrize("what", ["label", "landmarks"])
def test_without_weights_it_refuses_rather_than_labels_at_random(faces: Tensor, what: str) -> None:
    untrained = FaceUNet()
    with pytest.raises(PluginError, match=r"'face_unet' was given no weights.*weights = FILE"):
        getattr(untrained, what)(faces[:1])
    load_weights(untrained, _WEIGHTS)
    with torch.no_grad():
        assert getattr(untrained, what)(faces[:1]).shape[0] == 1
