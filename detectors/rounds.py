"""A detector that forgets no round: the mean of all that it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import has_own
from fakeoff.arena.players.interface import training_state_of
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import Member
from fakeoff.detectors.interface import Detector, PatchDetector
from fakeoff.detectors.members import build_member, check_members, mean_evasion_loss, mean_score


class Rounds(Detector):
    """An ensemble over the rounds: in each one a new member learns, and the score is the mean of all so far.

    At round ``r`` it holds the members that learned in rounds 0 to ``r``, so that judging takes ``r + 1`` forward
    passes. A new member begins as the one of round 0 did. Only it learns; what val decides (the best look, when to
    stop, the threshold) is decided of the mean. An attack has to fool all of them.

    Args:
        member: What learns: a name, or a table with ``plugin`` and ``parameters``. It learns by steps.
    """

    cumulative = True

    def __init__(self, *, member: Member = "resnet18") -> None:
        super().__init__()
        made = build_member(member)
        name = type(made).__name__
        if not has_own(type(made), "train_step"):
            raise ValueError(f"its member {name} does not learn by steps, and each round has one that does")
        if made.cumulative:
            raise ValueError(f"its member {name} goes on from round to round by itself: enter {name} by itself")
        self._learn = {weight for weight, values in made.named_parameters() if values.requires_grad}
        # The first one stays as it came, since each round begins with a copy of it; it judges nothing.
        self.members = nn.ModuleList([made.requires_grad_(False)])
        self.register_buffer("learned", torch.zeros((), dtype=torch.bool))  # whether the newest one has
        self._add()
        self.differentiable = made.differentiable
        self.side = made.side
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        check_members([parameters["member"]], lambda: cls(member=parameters["member"]))

    learned: Tensor

    @property
    def judges(self) -> list[Detector]:
        """Those whose mean it is, by round."""
        return [member for member in self.members if isinstance(member, Detector)][1:]

    def start(self, plan: Plan) -> None:
        if self.learned:
            self._add()
            self.learned.fill_(False)
        else:  # weights are loaded into the first one alone
            self.judges[-1].load_state_dict(self.members[0].state_dict())
        self.train(self.training)
        self.judges[-1].start(plan)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        self.learned.fill_(True)
        measured: dict[str, float] = self.judges[-1].train_step(batch, rng=rng)
        return measured

    def training_state(self) -> Mapping[str, Any] | None:
        return training_state_of(self.judges[-1])

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        self.judges[-1].load_training_state(state)

    def train(self, mode: bool = True) -> Rounds:
        super().train(mode)
        for member in self.members[:-1]:
            member.eval()
        return self

    def score(self, images: Tensor) -> Tensor:
        return mean_score(self.judges, images)

    def evasion_loss(self, images: Tensor) -> Tensor:
        """The mean of its members' own: each is to be fooled."""
        return mean_evasion_loss(self.judges, images)

    def hold(self, count: int) -> None:
        """Makes room for a state of so many members, beside the one that stays as it came.

        Args:
            count: From 1.
        """
        while len(self.members) - 1 > count:
            del self.members[-1]
        while len(self.members) - 1 < count:
            self._add()
        self._rest()

    def _add(self) -> None:
        self.members.append(copy.deepcopy(self.members[0]))
        self._rest()

    def _rest(self) -> None:
        """Lets the newest one's weights ask for a gradient, as they came, and no others."""
        self.members.requires_grad_(False)
        for name, values in self.members[-1].named_parameters():
            values.requires_grad_(name in self._learn)


class PatchRounds(PatchDetector, Rounds):
    """An ensemble over the rounds, of a member that judges patches: a patch's score is the mean of theirs.

    Args:
        member: What learns: a name, or a table with ``plugin`` and ``parameters``. It judges patches, and an image by
            their mean (Eq. 2).
    """

    def __init__(self, *, member: Member = "resnet18_layer1") -> None:
        super().__init__(member=member)
        first = self.members[0]
        if not isinstance(first, PatchDetector):
            raise ValueError(f"its member {type(first).__name__} judges whole images: enter it in 'rounds'")
        if type(first).score is not PatchDetector.score or first.decision != "after_softmax":
            # the mean of votes is not the vote of means
            how = "images by other means than the mean of their patches"
            raise ValueError(f"its member {type(first).__name__} judges {how}: enter it in 'rounds'")
        self.receptive_field = first.receptive_field

    def patch_scores(self, images: Tensor) -> Tensor:
        patches = [judge.patch_scores(images) for judge in self.judges if isinstance(judge, PatchDetector)]
        return torch.stack(patches).mean(0)

    evasion_loss = Rounds.evasion_loss


def _make_room(rounds: nn.Module, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Before a state is loaded: as many members as it has."""
    assert isinstance(rounds, Rounds)
    start = f"{prefix}members."
    held = {name.removeprefix(start).partition(".")[0] for name in state if name.startswith(start)}
    count = max(1, len(held) - 1)
    if count != len(rounds.judges):
        rounds.hold(count)


__all__ = ["PatchRounds", "Rounds"]
