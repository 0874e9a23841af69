"""A detector made of detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import has_own
from fakeoff.arena.players.interface import training_state_of
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import Members
from fakeoff.detectors.interface import Detector
from fakeoff.detectors.members import build_member, check_members, mean_evasion_loss, mean_score


class Ensemble(Detector):
    """Several detectors, each trained by itself: the score is the mean of theirs.

    Args:
        members: Their names, or tables with ``plugin`` and ``parameters``.
    """

    def __init__(self, *, members: Members = ("xception_block1", "resnet18_layer1")) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble has at least one member")
        self.members = nn.ModuleList(build_member(member) for member in members)
        for member in self._all():
            if has_own(type(member), "fit") and not has_own(type(member), "train_step"):
                name = type(member).__name__
                raise ValueError(f"its member {name} learns by fit, and an ensemble by steps: enter {name} by itself")
            if member.cumulative:
                name = type(member).__name__
                raise ValueError(
                    f"its member {name} goes on from round to round, and it begins anew: enter it by itself"
                )
        self.differentiable = all(member.differentiable for member in self._all())
        sides = sorted({member.side for member in self._all() if member.side is not None})
        if len(sides) > 1:
            raise ValueError(f"its members must be shown images of {sides} pixels, which differ")
        self.side = sides[0] if sides else None

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        check_members(parameters["members"], lambda: cls(members=parameters["members"]))

    def start(self, plan: Plan) -> None:
        for member in self._learning():
            member.start(plan)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        return {
            f"{index}_{name}": value
            for index, member in enumerate(self._learning())
            for name, value in member.train_step(batch, rng=rng).items()
        }

    def training_state(self) -> dict[str, Any] | None:
        states = [training_state_of(member) for member in self._learning()]
        return None if None in states else {"members": states}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        for member, own in zip(self._learning(), state["members"], strict=True):
            member.load_training_state(own)

    def score(self, images: Tensor) -> Tensor:
        return mean_score(self._all(), images)

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The mean of its members' own: each is to be fooled."""
        return mean_evasion_loss(self._all(), images)

    def _all(self) -> list[Detector]:
        return [member for member in self.members if isinstance(member, Detector)]

    def _learning(self) -> list[Detector]:
        return [member for member in self._all() if has_own(type(member), "train_step")]


__all__ = ["Ensemble"]
