"""How the tests of the contract say what a contract should say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from fakeoff.arena.contract import Check, Contract, run_contract

PLAYS_AS_IT_CAME = "it has neither train_step nor fit: it plays as it came"
PROCESS = "test_it_works_in_another_process"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A player that breaks its contract, and what is said of it.

    Attributes:
        player: The class.
        fails: The one check that fails, without ``test_``.
        expected: A part of what was expected.
        came: A part of what came.
        mend: A part of how to mend it.
        also: Other checks that fail for the same reason.
    """

    player: type[nn.Module]
    fails: str
    expected: str = ""
    came: str
    mend: str
    also: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.player.__name__


def case(
    player: type[nn.Module], fails: str, *, came: str, mend: str, expected: str = "", also: tuple[str, ...] = ()
) -> Case:
    return Case(player=player, fails=fails, expected=expected, came=came, mend=mend, also=frozenset(also))


def checks(contract: type[Contract[Any]], *, process: bool = False) -> dict[str, Check]:
    """Runs a contract, without the check that starts another interpreter unless that is asked for."""
    names = [name for name in contract.checks() if process or name != PROCESS]
    return {check.name.removeprefix("test_"): check for check in run_contract(contract, only=names)}


def failures(contract: type[Contract[Any]], *, process: bool = False) -> dict[str, Check]:
    return {name: check for name, check in checks(contract, process=process).items() if check.state == "failed"}


def assert_breach(kind: type[Contract[Any]], case: Case) -> None:
    """Nothing else fails, and the breach says what it should."""
    failed = failures(kind.of(case.player), process=case.fails == PROCESS.removeprefix("test_"))
    said = "\n".join(f"{name}: {check.expected} | {check.came} | {check.mend}" for name, check in failed.items())
    assert set(failed) == {case.fails, *case.also}, said
    check = failed[case.fails]
    assert case.expected in check.expected, said
    assert case.came in check.came, said
    assert case.mend in check.mend, said
    for line in (check.expected, check.came, check.mend):
        assert line
        assert "\n" not in line
