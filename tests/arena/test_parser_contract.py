"""The contract that ships, kept by every face parser that is built in; and what is more than it asks for."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from fakeoff.arena.parsers import capabilities, parsers
from fakeoff.arena.parsers.contract import ParserContract


class BuiltIn(ParserContract):
    """What the parsers that ship promise beyond the contract; without a player, so it is not collected."""

    def test_noise_has_several_parts_and_each_image_its_own(self) -> None:
        parser = type(self).of(self.player, {**self.parameters, "weights": ""})().build()
        images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(64))
        labels = parser.label(images)
        assert len(labels.unique()) > 1
        assert not torch.equal(labels[0], labels[1])
        assert not parser.training

    def test_who_finds_no_landmarks_says_so(self) -> None:
        parser = self.build()
        if "landmarks" in capabilities(type(parser)):
            assert parser.landmarks(torch.rand(1, 3, 16, 16)).isfinite().all()
        else:
            with pytest.raises(NotImplementedError):
                parser.landmarks(torch.rand(1, 3, 16, 16))


class TestFaceUNet(BuiltIn):
    player = "face_unet"


class TestBiSeNet(BuiltIn):
    player = "bisenet"
    parameters: ClassVar = {"working": 64}  # by default it would take seconds


def test_every_parser_that_ships_has_its_contract_here() -> None:
    here = {contract.player for contract in BuiltIn.__subclasses__()}
    assert here == {entry.name for entry in parsers if entry.origin == "fakeoff"}
