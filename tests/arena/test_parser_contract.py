"""What every face parser must keep to, done by each that is built in, with random weights."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fakeoff.arena.parsers import LANDMARKS, PARTS, FaceParser, capabilities, parsers
from fakeoff.arena.specs import weights_hash

NAMES = [entry.name for entry in parsers if entry.origin == "fakeoff"]
# Where the default would take seconds.
QUICK: dict[str, dict[str, Any]] = {"bisenet": {"working": 64}}
SIZES = [(16, 16), (33, 47), (64, 64)]
POINTS = sum(LANDMARKS.values())


def build(name: str) -> FaceParser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parser = parsers.build(name, parsers.complete(name, QUICK.get(name, {})))
    parser.load_state_dict(parser.state_dict())  # as the arena gives it weights
    return parser.eval()


@pytest.fixture(params=NAMES)
def parser(request: pytest.FixtureRequest) -> FaceParser:
    return build(request.param)


def images(n: int, height: int, width: int) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(height))


def points(parser: FaceParser, given: Tensor) -> Tensor | None:
    return parser.landmarks(given).detach() if "landmarks" in capabilities(type(parser)) else None


def global_states() -> tuple[object, ...]:
    return (
        random.getstate(),
        str(np.random.get_state(legacy=True)[1].tolist()),
        torch.random.get_rng_state().numpy().tobytes(),
    )


def test_the_built_in_parsers_are_there() -> None:
    assert {"bisenet", "face_unet"} <= set(NAMES)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_labels_are_bytes_of_the_images_size_and_only_of_its_parts(parser: FaceParser, height: int, width: int) -> None:
    labels = parser.label(images(2, height, width))
    assert labels.dtype == torch.uint8
    assert labels.shape == (2, height, width)
    assert set(parser.parts) <= set(PARTS)
    assert {PARTS[label] for label in labels.unique().tolist()} <= set(parser.parts)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_landmarks_are_finite_points_where_it_can_give_them(parser: FaceParser, height: int, width: int) -> None:
    found = points(parser, images(2, height, width))
    if found is None:
        with pytest.raises(NotImplementedError):
            parser.landmarks(images(2, height, width))
        return
    assert found.shape == (2, POINTS, 2)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_the_same_images_are_answered_the_same_and_nobodys_randomness_moves(parser: FaceParser) -> None:
    given = images(2, 33, 47)
    kept, before = given.clone(), global_states()
    labels, found = parser.label(given), points(parser, given)
    assert torch.equal(parser.label(given), labels)
    if found is not None:
        assert torch.equal(parser.landmarks(given), found)
    assert global_states() == before
    assert torch.equal(given, kept)


def test_images_are_answered_each_by_itself(parser: FaceParser) -> None:
    given = images(3, 64, 64)
    labels, found = parser.label(given), points(parser, given)
    assert len(labels.unique()) > 1
    for index in range(3):
        alone = given[index : index + 1]
        assert torch.equal(parser.label(alone)[0], labels[index])
        if found is not None:
            torch.testing.assert_close(parser.landmarks(alone)[0], found[index])
    assert torch.equal(parser.label(given.flip(0)), labels.flip(0))


def test_answering_leaves_the_parser_as_it_was(parser: FaceParser) -> None:
    before = weights_hash(parser.state_dict())
    parser.label(images(2, 64, 64))
    points(parser, images(2, 64, 64))
    assert weights_hash(parser.state_dict()) == before
    assert not parser.training
