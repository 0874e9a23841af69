"""What every player is, of whatever kind: a module that may learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import has_own, left_to_players
from fakeoff.arena.players.plan import Batches, Plan


class Player(nn.Module):
    """What generators and detectors have in common.

    A plugin's parameters are the keyword arguments of its ``__init__``, typed and with defaults. Everything that
    decides what a player returns belongs in its state dict: it is all that is kept of a version. A player works where
    its weights lie: images are handed to it there, and what it draws from ``rng``, which is always a CPU generator and
    the only source of randomness, it moves there. Parameters that rest say so with ``requires_grad_(False)``.

    It learns by steps or at once: it has a :meth:`train_step` or a :meth:`fit` of its own, or plays with the weights
    that it came with. Of one that has both, steps are taken.
    """

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        """Refuses parameters that are right one by one and do not go together, before anything is played.

        Args:
            parameters: All of the constructor's, by name, defaults included.

        Raises:
            ValueError: With the reason, in one line.
        """

    @classmethod
    def left_out(cls, weights: Path, parameters: Mapping[str, Any]) -> str:
        """Says what of a weights file is not taken, where a user would think that it is; nothing by default.

        Args:
            weights: The file.
            parameters: All of the constructor's, by name, defaults included.

        Returns:
            Such as ``the head for 1000 classes``; empty where all is taken.
        """
        return ""

    @left_to_players()
    def start(self, plan: Plan) -> None:
        """Makes ready for a training: optimisers, schedules and averages begin here.

        It is called before the first :meth:`train_step` of every training, and before :meth:`fit`. A player without it
        keeps its own learning rate, and a configuration that sets one for its steps is refused.

        Args:
            plan: What is to come.
        """

    @left_to_players("trainable")
    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        """Takes one step of training; the ability *trainable*.

        Args:
            batch: Images float32 ``(n, 3, h, w)``, RGB in [0, 1], and what is known of each: a generator is shown reals
                of its resolution, a detector both sides with their ``labels``, bool ``(n,)``: true is fake.
            rng: A CPU generator, the only source of randomness.

        Returns:
            What the step measured, by name, for the training curves: finite numbers.
        """
        raise NotImplementedError

    @left_to_players("trainable")
    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        """Learns from everything at once, in place of steps: expectation maximisation, a forest, a closed form.

        Args:
            batches: ``batches()`` iterates over all there is to learn from, once: batches as :meth:`train_step` is
                shown. It may be called as often as needed, and comes in another order each time.
            rng: A CPU generator, the only source of randomness.

        Returns:
            What was measured, by name: finite numbers.
        """
        raise NotImplementedError

    @left_to_players()
    def training_state(self) -> Mapping[str, Any] | None:
        """What a training needs beyond the state dict to go on with its next step, to the same bytes as undisturbed.

        A player that has this and :meth:`load_training_state` loses half a minute when its process is killed; one that
        has not begins its training anew.

        Returns:
            Optimisers' state dicts, counters and the like: tensors, numbers, text and None, in tables, lists and
            tuples. None where this very player cannot tell.
        """
        raise NotImplementedError

    @left_to_players()
    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where :meth:`training_state` was asked: after :meth:`start`, and with the state dict of then.

        Args:
            state: What it returned.
        """
        raise NotImplementedError


def training_state_of(player: Player) -> Mapping[str, Any] | None:
    """A player's training state; None where it has none to tell, or nobody could take it back."""
    if not all(has_own(type(player), method) for method in ("training_state", "load_training_state")):
        return None
    return player.training_state()


__all__ = ["Player", "training_state_of"]
