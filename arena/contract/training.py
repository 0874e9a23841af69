"""What every player that can be trained must keep to, whatever it learns."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

import torch

from fakeoff.arena import compute
from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.contract import PlayerT
from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.contract.checks import check_measured, does_not_write, leaves_globals_alone, wrote_to
from fakeoff.arena.contract.fitting import Shown
from fakeoff.arena.contract.portability import Travels
from fakeoff.arena.errors import one_line
from fakeoff.arena.images.batch import Batch, join
from fakeoff.arena.players.abilities import abilities, has_own
from fakeoff.arena.players.plan import Plan, Purpose
from fakeoff.arena.players.specs import weights_hash
from fakeoff.arena.seeds import rng_from, sealed

_CPU = torch.device("cpu")
_PLAYS_AS_IT_CAME = "it has neither train_step nor fit: it plays as it came"
_STEPS_BETWEEN_LOOKS = 4
_LESSONS_OF_A_FIT = 16
_TRAINING_STATE = ("training_state", "load_training_state")
_SLOW, _FAST, _MUCH_LESS = 1e-9, 1e-2, 1e-2


@dataclass(kw_only=True)
class School:
    """One training, shared by the tests of a player because it takes seconds.

    Attributes:
        player: As it became.
        measured: What each step, or the fit, returned.
        hashes: Of the state after each of the first steps, or after the fit.
        never_moved: The parameters that ask for a gradient and stayed as they were.
        looks: How well it did on the way, as its contract measures it.
        shown: What a fit was shown.
    """

    player: Any
    measured: list[dict[str, float]] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    never_moved: list[str] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    shown: Shown | None = None


class Learns(Travels[PlayerT], Generic[PlayerT]):
    """The part of a contract that is the same for all players that learn, by a ``train_step`` or by a ``fit``.

    Attributes:
        most_steps: A training gives up after so many; it ends as soon as all is seen.
    """

    most_steps: ClassVar[int] = 128

    # What plans are for.
    purpose: ClassVar[Purpose] = "pretrain"

    def can_learn(self) -> bool:
        return "trainable" in abilities(self.player_class())

    def by_steps(self) -> bool:
        """Whether it learns by steps; of one that has a ``fit`` too, steps are taken."""
        return has_own(self.player_class(), "train_step")

    @property
    def call(self) -> str:
        """How it is trained, for messages."""
        return "train_step(batch, rng=rng)" if self.by_steps() else "fit(batches, rng=rng)"

    def lesson(self, player: PlayerT, step: int) -> Batch:
        """What ``train_step`` is handed besides rng."""
        raise NotImplementedError

    def has_learned(self, player: PlayerT, looks: list[float]) -> bool:
        """Whether the shared training may end; may add a look."""
        return True

    def step(
        self,
        player: PlayerT,
        step: int,
        *,
        lesson: Batch | None = None,
        device: torch.device = _CPU,
        **more: Any,
    ) -> dict[str, float]:
        """Takes one training step and checks what comes of it.

        Raises:
            ContractBreach: It raises, or returns no dict of finite numbers.
        """
        __tracebackhide__ = True
        batch = (lesson if lesson is not None else self.lesson(player, step)).to(device)
        player.train()
        with asking(self.call):
            measured = player.train_step(batch, rng=rng_from("step", step), **more)  # type: ignore[operator]
        return check_measured(measured, call=self.call)

    def fit(self, player: PlayerT, *, lesson: Batch | None = None, device: torch.device = _CPU) -> School:
        """Lets a player learn from everything at once, as the arena does, and checks what comes of it.

        Args:
            player: It is trained.
            lesson: All there is to learn from; None is what steps would be shown.
            device: Where.

        Raises:
            ContractBreach: It raises, or returns no dict of finite numbers.
        """
        __tracebackhide__ = True
        if lesson is None:
            lesson = join([self.lesson(player, step) for step in range(_LESSONS_OF_A_FIT)])
        rng = rng_from("fit")
        shown = Shown(lesson.to(device), rng=rng)
        player.train()
        with asking("start(plan)"):
            player.start(Plan(purpose=self.purpose, steps=1, batch=len(lesson)))  # type: ignore[operator]
        with asking(self.call):
            measured = player.fit(shown, rng=rng)  # type: ignore[operator]
        checked = check_measured(measured, call=self.call)
        return School(player=player, measured=[checked], hashes=[weights_hash(player.state_dict())], shown=shown)

    def train_once(self, player: PlayerT, device: torch.device = _CPU) -> None:
        if self.by_steps():
            self.step(player, 0, device=device)
        else:
            self.fit(player, device=device)

    def trained(self) -> PlayerT:
        return self.school().player  # type: ignore[no-any-return]

    def school(self) -> School:
        """The shared training; skips a test where it fails."""
        if not self.can_learn():
            raise unittest.SkipTest(_PLAYS_AS_IT_CAME)
        self.needs(self.test_training_measures_finite_numbers)
        return self.kept("school", self._train)

    def _train(self) -> School:
        player = self.build()
        if not self.by_steps():
            school = self.fit(player)
            self.has_learned(player, school.looks)
            player.eval()
            return school
        school = School(player=player)
        first = {name: parameter.detach().clone() for name, parameter in player.named_parameters()}
        for step in range(self.most_steps):
            school.measured.append(self.step(player, step))
            if step < 2:
                school.hashes.append(weights_hash(player.state_dict()))
            if (step + 1) % _STEPS_BETWEEN_LOOKS:
                continue
            school.never_moved = [
                name
                for name, now in player.named_parameters()
                if now.requires_grad and torch.equal(now.detach(), first[name])
            ]
            if self.has_learned(player, school.looks) and not school.never_moved:
                break
        player.eval()
        return school

    def test_training_measures_finite_numbers(self) -> None:
        """Training returns what it measured: finite numbers by name."""
        if not self.can_learn():
            raise unittest.SkipTest(_PLAYS_AS_IT_CAME)
        self.needs(self.test_it_is_built_the_same_each_time)
        self.answers()
        self.kept("school", self._train)

    def test_training_works_in_bfloat16(self) -> None:
        """Training works in bfloat16 autocast, the arena's default, and what comes of it answers."""
        self.school()
        if not self.by_steps():
            raise unittest.SkipTest("it learns by fit, which is called without autocast")
        player = self.build()
        with compute.autocast("bfloat16"):
            for step in range(2):
                self.step(player, step)
        self.answer(player.eval())

    def test_training_heeds_the_rate_of_its_plan(self) -> None:
        """Training heeds the learning rate that a plan asks for."""
        self.school()
        if not self.by_steps():
            raise unittest.SkipTest("it learns by fit, and rates are for steps")
        if not has_own(self.player_class(), "start"):
            raise unittest.SkipTest("it has no start(plan): its learning rate is its own")
        slow, fast = (self._moved(rate) for rate in (_SLOW, _FAST))
        if slow > fast * _MUCH_LESS:
            raise ContractBreach(
                expected=f"after start(plan) with a rate of {_SLOW:g}, a training step hardly moves the weights",
                came=f"it moves one by {slow:.3g}, and {fast:.3g} at a rate of {_FAST:g}",
                mend="in start(plan), make optimisers with plan.rate where it is not None",
            )

    def _moved(self, rate: float) -> float:
        """How far one step moves the parameter that it moves farthest."""
        player = self.build()
        lesson = self.lesson(player, 0)
        with asking("start(plan)"):
            player.start(Plan(purpose=self.purpose, steps=1, batch=len(lesson), rate=rate))  # type: ignore[operator]
        before = {name: parameter.detach().clone() for name, parameter in player.named_parameters()}
        self.step(player, 0, lesson=lesson)
        return max(
            (now.detach() - before[name]).abs().max().item()
            for name, now in player.named_parameters()
            if now.requires_grad
        )

    def test_training_goes_on_where_it_was_stopped(self) -> None:
        """A training that was stopped goes on from its training state, to the same weights as undisturbed."""
        self.school()
        self.needs(self.test_training_leaves_global_randomness_alone, self.test_training_is_the_same_for_the_same_seed)
        if not self.by_steps():
            raise unittest.SkipTest("it learns by fit, which is not stopped on its way")
        told = [method for method in _TRAINING_STATE if has_own(self.player_class(), method)]
        if not told:
            raise unittest.SkipTest("it has no training_state(): a training that is killed begins anew")
        if len(told) < len(_TRAINING_STATE):
            raise ContractBreach(
                expected="training_state() and load_training_state(state) belong together",
                came=f"it has {told[0]}() alone",
                mend="have both, or neither: a training that is killed then begins anew",
            )
        player = self._started()
        for step in range(2):
            self.step(player, step)
        kept = self._kept_state(player)
        if kept is None:
            raise unittest.SkipTest("its training_state() is None: a training that is killed begins anew")
        self.step(player, 2)
        again = self._started()
        with asking("load_training_state(state)"):
            again.load_state_dict(kept["player"])
            again.load_training_state(kept["training"])  # type: ignore[operator]
        self.step(again, 2)
        if weights_hash(again.state_dict()) != weights_hash(player.state_dict()):
            raise ContractBreach(
                expected="a player that is built, started and given the state dict and the training state of another "
                "takes the next step to the same weights",
                came="other weights",
                mend="tell everything in training_state() that a step depends on and no state dict holds: optimisers' "
                "state_dict(), counters, schedules, averages",
            )

    def _started(self) -> PlayerT:
        player = self.build()
        if has_own(self.player_class(), "start"):
            with asking("start(plan)"):
                plan = Plan(purpose=self.purpose, steps=3, batch=len(self.lesson(player, 0)))
                player.start(plan)  # type: ignore[operator]
        return player

    def _kept_state(self, player: PlayerT) -> Mapping[str, Any] | None:
        """A player's state and training state after they were written and read as a game does; None where it has none.

        Raises:
            ContractBreach: It cannot be written, or not be read.
        """
        with asking("training_state()"):
            training = player.training_state()  # type: ignore[operator]
        if training is None:
            return None
        written: list[bytes] = []
        came = ""
        try:
            Checkpoint(every=1.0, write=written.append).save({"player": player.state_dict(), "training": training})
        except Exception as error:
            came = f"it cannot be written: {one_line(error)}"
        kept = Checkpoint(every=1.0, left=written[0]).state if written else None
        if kept is None:
            raise ContractBreach(
                expected="training_state() returns tensors, numbers, text and None, in tables, lists and tuples",
                came=came or "something that would have to be run to be read",
                mend="return optimisers' state_dict(), and counters as numbers",
            )
        return kept

    def test_training_leaves_global_randomness_alone(self) -> None:
        """Training leaves the global random state alone."""
        self.school()
        player = self.build()
        with leaves_globals_alone(self.call):
            self.train_once(player)

    def test_training_does_not_write_to_what_it_is_shown(self) -> None:
        """Training does not write to the images that it is handed."""
        school = self.school()
        if school.shown is not None:
            if written := school.shown.written():
                raise wrote_to(written, self.call)
            return
        player = self.build()
        lesson = self.lesson(player, 0).to(_CPU)
        with does_not_write(self.call, **lesson.tensors()):
            self.step(player, 0, lesson=lesson)

    def test_training_is_the_same_for_the_same_seed(self) -> None:
        """Trained again with the same seed, it becomes the same."""
        school = self.school()
        player = self.build()
        with sealed("again"):
            measured = [self.step(player, step) for step in range(2)] if self.by_steps() else self.fit(player).measured
        differs = "other weights" if weights_hash(player.state_dict()) != school.hashes[-1] else ""
        if measured != school.measured[: len(measured)]:
            differs = "other measured values"
        if differs:
            expected = "two steps on the same images with the same seed measure the same and give the same weights"
            if not self.by_steps():
                expected = "a fit to the same images with the same seed measures the same and gives the same weights"
            raise ContractBreach(
                expected=expected,
                came=differs,
                mend="draw from rng alone: torch.randn(..., generator=rng); for dropout: with global_draws(rng): from "
                "fakeoff.arena.seeds; keep nothing outside of the player",
            )

    def test_training_reaches_every_parameter(self) -> None:
        """Training by steps moves every parameter that asks for a gradient."""
        self.school()
        if not self.by_steps():
            raise unittest.SkipTest("it learns by fit, which may leave a parameter as it is")
        if never := self.school().never_moved:
            raise ContractBreach(
                expected=f"every parameter moves within {self.most_steps} steps of training",
                came=f"'{never[0]}' did not" + (f", nor {len(never) - 1} more" if never[1:] else ""),
                mend="hand it to an optimiser, and use it where the loss is made, without detach() or no_grad(); where "
                "it rests on purpose: requires_grad_(False)",
            )

    def test_fitting_goes_through_everything(self) -> None:
        """A fit goes through all there is to learn from, to the end, at least once."""
        shown = self._fitted()
        if not shown.ended:
            taken = f"it stopped after {shown.most} of {len(shown)} batches" if shown.most else "it took none of them"
            raise ContractBreach(
                expected=f"{self.call} goes through batches() to the end at least once",
                came=taken if shown.calls else "batches() was never called",
                mend="for batch in batches(): ..., without break or next(); where a part is enough, draw it from all",
            )

    def test_fitting_changes_the_state(self) -> None:
        """What a fit learned is in the state dict."""
        self._fitted()
        if weights_hash(self.build().state_dict()) == self.school().hashes[-1]:
            raise ContractBreach(
                expected=f"{self.call} changes the state dict: it is all that is kept of what was learned",
                came="the same state to the last bit",
                mend="self.register_buffer(name, zeros) in __init__, and self.name.copy_(torch.as_tensor(learned)) in "
                "fit; an object of another library is no state: copy its numbers, and use those",
            )

    def _fitted(self) -> Shown:
        """What a fit was shown; skips a test of a player that learns otherwise."""
        shown = self.school().shown
        if shown is None:
            raise unittest.SkipTest("it learns by steps")
        return shown


__all__ = ["Learns", "School"]
