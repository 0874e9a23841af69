"""Trainings that go on where they were killed, to the same bytes as undisturbed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.jobs import Context
from fakeoff.arena.players.interface import Player, training_state_of
from fakeoff.arena.players.plan import Plan

T = TypeVar("T")


class Resumption:
    """One training's: from time to time it keeps the player, its random numbers and what the task has of its own.

    Only a player that tells its training state is kept; of any other the training begins anew.

    Args:
        context: The job's.
        player: Who learns.
        rng: The training's own generator.
    """

    def __init__(self, context: Context, player: Player, *, rng: torch.Generator) -> None:
        self._checkpoint, self._player, self._rng = context.checkpoint, player, rng

    def begin(self, plan: Plan, *, read: Callable[[Mapping[str, Any]], T]) -> T | None:
        """Starts the player, and puts everything back to where it was when the job was killed.

        Args:
            plan: What is to come, from the first step on.
            read: Makes of what the task kept what it goes on with.

        Returns:
            What ``read`` made; None where the training begins.
        """
        saved = self._checkpoint.state
        if saved is None:
            self._player.start(plan)
            return None
        before, drawn = copy.deepcopy(self._player.state_dict()), self._rng.get_state()
        self._player.start(plan)
        try:
            self._player.load_state_dict(saved["player"])
            self._player.load_training_state(saved["training"])
            self._rng.set_state(saved["rng"])
            return read(saved["own"])
        except Exception:  # of another release, or a player that cannot: nothing is lost but time
            self._player.load_state_dict(before)
            self._rng.set_state(drawn)
            self._player.start(plan)
            return None

    def keep(self, own: Callable[[], Mapping[str, Any]]) -> None:
        """Keeps how far it is, if it is time to: after a step.

        Args:
            own: Makes what the task goes on with beside the player: tensors, numbers and text.

        Raises:
            JobFailed: The player's training state is none.
        """
        if not self._checkpoint.due:
            return
        try:
            training = training_state_of(self._player)
        except Exception as error:
            raise JobFailed(f"raised {one_line(error)} in training_state()") from error
        if training is None:
            return
        state = {"player": self._player.state_dict(), "training": training, "rng": self._rng.get_state()}
        self._checkpoint.save({**state, "own": own()})


__all__ = ["Resumption"]
