"""What every face parser must keep to; see :mod:`fakeoff.arena.contract` for how to use it.

from fakeoff.arena.parsers.contract import ParserContract

class TestMyParser(ParserContract):
    player = "my_parser"
"""

from __future__ import annotations

import unittest

import torch
from torch import Tensor

from fakeoff.arena import compute
from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import (
    brought_home,
    check_tensor,
    does_not_write,
    leaves_as_it_was,
    leaves_globals_alone,
    same_tensors,
)
from fakeoff.arena.contract.portability import Travels
from fakeoff.arena.parsers import LANDMARKS, PARTS, FaceParser, capabilities, parsers
from fakeoff.arena.seeds import rng_from, sealed

_CPU = torch.device("cpu")
_SIZES = ((16, 16), (33, 47), (64, 64))
_POINTS = sum(LANDMARKS.values())
_TOLERANCE_PIXELS = 1e-2


class ParserContract(Travels[FaceParser]):
    """The contract of one face parser: a subclass names it as ``player``."""

    registry = parsers
    interface = FaceParser

    def build(self) -> FaceParser:
        """Builds the parser as the arena does; one that comes without weights is given its own, as they are."""
        __tracebackhide__ = True
        parser = super().build()
        if self.spec().weights is None:
            with asking("load_state_dict(its own state dict)"):
                parser.load_state_dict(parser.state_dict())
        return parser.eval()

    def answer(self, player: FaceParser, device: torch.device = _CPU) -> dict[str, Tensor]:
        images = _images(2, 64, 64).to(device)
        return brought_home(self._say(player, images), device, what="labels")

    def answers(self) -> None:
        self.needs(self.test_pixels_are_labelled)

    def answers_alike(self) -> None:
        self.needs(self.test_the_same_images_are_answered_the_same)

    def test_pixels_are_labelled(self) -> None:
        """Labels are parts that it can tell, one for each pixel, whatever the image's size."""
        self.needs(self.test_it_is_built_the_same_each_time)
        parser = self.build()
        unknown = sorted(set(parser.parts) - set(PARTS))
        if unknown or not parser.parts:
            raise ContractBreach(
                expected=f"parts are some of {', '.join(PARTS)}",
                came=", ".join(unknown) or "none",
                mend="parts: ClassVar[tuple[str, ...]] names them as fakeoff.arena.parsers.PARTS does",
            )
        for size in _SIZES:
            found = self._label(parser, _images(2, *size)).unique().tolist()
            strange = [label for label in found if label >= len(PARTS) or PARTS[label] not in parser.parts]
            if strange:
                names = [PARTS[label] if label < len(PARTS) else str(label) for label in strange]
                raise ContractBreach(
                    expected="label gives indices into PARTS of the parts that the parser says it can tell",
                    came=", ".join(names),
                    mend="map your classes to PARTS.index(name), and name in parts every one that can come",
                )

    def test_landmarks_are_points(self) -> None:
        """Landmarks are finite points, in pixels, whatever the image's size."""
        self._must_find_landmarks()
        parser = self.build()
        for size in _SIZES:
            self._landmarks(parser, _images(2, *size))

    def test_landmarks_are_in_pixels(self) -> None:
        """Landmarks of an image in twice the size lie twice as far."""
        self.needs(self.test_landmarks_are_points)
        self._must_find_landmarks()
        parser = self.build()
        small = _images(1, 64, 64)
        large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
        one, other = (self._landmarks(parser, images).mean((0, 1)) for images in (small, large))
        if (other < 1.5 * one).any() and one.abs().max() > 0:
            raise ContractBreach(
                expected="landmarks are x and y in pixels of the image that was handed over",
                came=f"({one[0]:.1f}, {one[1]:.1f}) on average at 64 px, ({other[0]:.1f}, {other[1]:.1f}) at 128 px",
                mend="multiply shares by the width and the height; undo the resizing to what the network sees",
            )

    def test_the_same_images_are_answered_the_same(self) -> None:
        """The same images get the same answers each time."""
        self.answers()
        parser, images = self.build(), _images(2, 33, 47)
        with sealed("one"):
            first = self._say(parser, images.clone())
        with sealed("other"):
            again = self._say(parser, images.clone())
        if how := same_tensors(first, again):
            raise ContractBreach(
                expected="the same images get the same labels and landmarks each time",
                came=how,
                mend="in eval mode, draw nothing (dropout where self.training), and keep nothing from call to call",
            )

    def test_answering_leaves_everything_as_it_was(self) -> None:
        """Answering changes neither the parser, nor the images, nor the global random state."""
        self.answers()
        parser, images = self.build(), _images(2, 64, 64)
        call = "label(images) or landmarks(images)" if self._finds_landmarks() else "label(images)"
        with does_not_write(call, images=images), leaves_as_it_was(parser, call), leaves_globals_alone(call):
            self._say(parser, images)

    def test_an_image_is_answered_by_itself(self) -> None:
        """An image gets the same answers alone and among others."""
        self.needs(self.test_the_same_images_are_answered_the_same)
        parser, images = self.build(), _images(3, 64, 64)
        together = self._say(parser, images.clone())
        alone = [self._say(parser, images[index : index + 1].clone()) for index in range(3)]
        backwards = {name: value.flip(0) for name, value in self._say(parser, images.flip(0)).items()}
        for other in ({name: torch.cat([each[name] for each in alone]) for name in together}, backwards):
            for name, tolerance in (("label", 0.0), ("landmarks", _TOLERANCE_PIXELS)):
                if name not in together:
                    continue
                if how := same_tensors({name: together[name]}, {name: other[name]}, tolerance=tolerance):
                    raise ContractBreach(
                        expected="an image gets the same answers alone, among others, and in another place among them",
                        came=how,
                        mend="in eval mode, let nothing depend on the batch: no batch statistics; stay in eval mode",
                    )

    def _finds_landmarks(self) -> bool:
        return "landmarks" in capabilities(self.player_class())

    def _must_find_landmarks(self) -> None:
        if not self._finds_landmarks():
            raise unittest.SkipTest("it finds no landmarks")
        self.answers()

    def _say(self, parser: FaceParser, images: Tensor) -> dict[str, Tensor]:
        said = {"label": self._label(parser, images)}
        if self._finds_landmarks() and self.passes(self.test_landmarks_are_points):
            said["landmarks"] = self._landmarks(parser, images)
        return said

    def _label(self, parser: FaceParser, images: Tensor) -> Tensor:
        __tracebackhide__ = True
        call = f"label(images of {images.shape[2]} x {images.shape[3]} px)"
        with asking(call), torch.no_grad():
            labels = parser.label(images)
        return check_tensor(labels, (len(images), *images.shape[2:]), call=call, dtype=torch.uint8)

    def _landmarks(self, parser: FaceParser, images: Tensor) -> Tensor:
        __tracebackhide__ = True
        call = f"landmarks(images of {images.shape[2]} x {images.shape[3]} px)"
        with asking(call), torch.no_grad():
            points = parser.landmarks(images)
        return check_tensor(points, (len(images), _POINTS, 2), call=call)


def _images(n: int, height: int, width: int) -> Tensor:
    return compute.image_layout(torch.rand(n, 3, height, width, generator=rng_from("images", height, width)))


__all__ = ["ParserContract"]
