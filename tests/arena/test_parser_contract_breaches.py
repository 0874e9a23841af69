"""For each check of a face parser's contract one that breaks it, and what it is told."""

from __future__ import annotations

import os
import random
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from fakeoff.arena.parsers import LANDMARKS, PARTS, FaceParser
from fakeoff.arena.parsers.contract import ParserContract
from tests.breaches import Case, assert_breach, case, checks

POINTS = sum(LANDMARKS.values())


class Good(FaceParser):
    """Keeps the contract: bright pixels are skin, and all points lie where an image is brightest on average."""

    parts: ClassVar[tuple[str, ...]] = ("background", "skin")

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.rand(1))  # the arena seeds this draw

    def label(self, images: Tensor) -> Any:
        return torch.where(images.mean(1) > self.threshold, PARTS.index("skin"), 0).to(torch.uint8)

    def landmarks(self, images: Tensor) -> Any:
        height, width = images.shape[2:]
        x = torch.arange(width, device=images.device) + 0.5
        y = torch.arange(height, device=images.device) + 0.5
        light = images.mean(1)
        whole = light.sum((1, 2))
        centre = torch.stack([(light.sum(1) * x).sum(1) / whole, (light.sum(2) * y).sum(1) / whole], 1)
        return centre[:, None].expand(-1, POINTS, -1)


class LabelsOnly(FaceParser):
    """Keeps the contract without landmarks and without weights."""

    def label(self, images: Tensor) -> Tensor:
        return (images.mean(1) * (len(PARTS) - 1)).to(torch.uint8)


class LabelsInInt64(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images).long()


class LabelsAtHalfSize(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images)[:, ::2, ::2]


class LabelsPartsThatItDoesNotName(Good):
    parts: ClassVar[tuple[str, ...]] = ("background",)


class LabelsClassesOfItsOwn(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images) * 9


class NamesOtherParts(Good):
    parts: ClassVar[tuple[str, ...]] = ("background", "l_brow")


class PointsAreFew(Good):
    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images)[:, :5]


class PointsAreNaN(Good):
    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images) * float("nan")


class PointsAreShares(Good):
    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images) / images.shape[-1]


class DrawsGlobally(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images * random.uniform(0.5, 1.5))


class Remembers(Good):
    calls = 0

    def landmarks(self, images: Tensor) -> Any:
        self.calls += 1
        return super().landmarks(images) + self.calls


class WritesToTheImages(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images.mul_(0.5))


class ByBatch(Good):
    def label(self, images: Tensor) -> Any:
        return super().label(images / images.mean() * 0.5)


class BuiltFromTheClock(Good):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.threshold.fill_(0.4 + int.from_bytes(os.urandom(2), "big") / 2**18)


class KeepsPartOutsideOfTheState(Good):
    """Its threshold is overlooked by the state dict, and drawn anew for each one that is built."""

    built = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).built += 1
        self.shift = 0.1 * (type(self).built % 3)

    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images) + self.shift


class MakesTensorsHere(Good):
    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images) * torch.tensor([1.0, 1.0])


class DependsOnHash(Good):
    def landmarks(self, images: Tensor) -> Any:
        return super().landmarks(images) + hash("seed") % 10**6 / 10**6


LABELLED, POINT, PIXELS = "pixels_are_labelled", "landmarks_are_points", "landmarks_are_in_pixels"
SAME, LEAVES = "the_same_images_are_answered_the_same", "answering_leaves_everything_as_it_was"

CASES = [
    case(LabelsInInt64, LABELLED, came="int64", mend="to(torch.uint8)", expected="label(images of 16 x 16 px)"),
    case(LabelsAtHalfSize, LABELLED, came="(2, 8, 8)", mend="bring it to this size", expected="(2, 16, 16)"),
    case(LabelsPartsThatItDoesNotName, LABELLED, came="skin", mend="name in parts every one"),
    case(LabelsClassesOfItsOwn, LABELLED, came="18", mend="PARTS.index(name)"),
    case(NamesOtherParts, LABELLED, came="l_brow", mend="fakeoff.arena.parsers.PARTS", expected="background, hair"),
    case(PointsAreFew, POINT, came="(2, 5, 2)", mend="one entry", expected="(2, 146, 2)"),
    case(PointsAreNaN, POINT, came="100% NaN", mend="division by zero"),
    case(PointsAreShares, PIXELS, came="at 128 px", mend="multiply shares", expected="x and y in pixels"),
    case(DrawsGlobally, LEAVES, came="that of random", mend="random.Random", also=(SAME,)),
    case(Remembers, SAME, came="landmarks that differs", mend="keep nothing"),
    case(WritesToTheImages, LEAVES, came="images changed", mend="images = images * 2 - 1"),
    case(ByBatch, "an_image_is_answered_by_itself", came="label that differs", mend="no batch statistics"),
    case(BuiltFromTheClock, "it_is_built_the_same_each_time", came="'threshold'", mend="init_seed"),
    case(KeepsPartOutsideOfTheState, "a_state_is_all_there_is_to_a_version", came="landmarks that differs",
         mend="register_buffer", also=("it_moves_to_another_device",)),
    case(MakesTensorsHere, "it_moves_to_another_device", came="mul was given", mend="device=x.device"),
    case(DependsOnHash, "it_works_in_another_process", came="others", mend="hash()"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breach_is_named_with_what_was_expected_what_came_and_how_to_mend_it(case: Case) -> None:
    assert_breach(ParserContract, case)


@pytest.mark.parametrize("parser", [Good, LabelsOnly])
def test_a_parser_that_keeps_the_contract_passes(parser: type[FaceParser]) -> None:
    done = checks(ParserContract.of(parser), process=parser is Good)
    assert {name: check for name, check in done.items() if check.state == "failed"} == {}
    skipped = {check.reason for check in done.values() if check.state == "skipped"}
    assert skipped == (set() if parser is Good else {"it finds no landmarks"})


def test_every_check_of_the_contract_has_a_parser_here_that_breaks_it() -> None:
    broken = {name for each in CASES for name in (each.fails, *each.also)}
    assert {f"test_{name}" for name in broken} == set(ParserContract.checks())
