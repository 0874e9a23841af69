from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.line import settled
from fakeoff.protocols.game.tally import Tally
from fakeoff.protocols.game.targets import check_target, choose_targets
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.blind import OnVal

Choose = Callable[..., tuple[list[str], Tally]]


def _version(player: str, round_: int = 0) -> Version:
    return Version(
        kind="detector", player=player, round=round_, key=f"{len(player):02d}{player}{round_}".ljust(64, "0")
    )


def _on_val(auc: float) -> OnVal:
    return OnVal(aucs=(auc,), accuracy=auc, margin=0.0, threshold=0.5)


@pytest.fixture
def choose(tmp_path: Any, toy_config: Callable[..., TournamentConfig]) -> Choose:
    """Chooses among versions: those with an AUC were judged on val, those with a reason cannot be attacked."""

    def choose(
        target: str, judges: list[tuple[Version, float | None, str | None]], *, round_: int = 1
    ) -> tuple[list[str], Tally]:
        config = toy_config(attack={"target": target})
        tally, store = Tally(config=config, source_name="", data={}), Store(tmp_path)
        for version, auc, reason in judges:
            store.write(version.key, Result(record={} if reason is None else {"not_attackable": reason}))
            if auc is not None:
                tally.standing[version.key] = _on_val(auc)
        coroutine = choose_targets(
            [settled(version) for version, _, _ in judges], round_=round_, config=config, tally=tally, store=store
        )
        with pytest.raises(StopIteration) as ended:
            coroutine.send(None)
        return [version.label for version in cast("list[Version]", ended.value.value)], tally

    return choose


def test_the_champion_is_the_best_on_val_that_can_be_attacked(choose: Choose) -> None:
    judges = [(_version("good"), 0.9, ""), (_version("best"), 1.0, "no gradient"), (_version("bad"), 0.6, "")]
    chosen, tally = choose("champion", judges)
    assert chosen == ["good@0"]
    assert {(p.detector, p.round, p.reason) for p in tally.passed_over} == {("best@0", 1, "no gradient")}


def test_who_was_trained_by_a_job_of_an_experiments_own_is_no_champion_and_is_among_all(choose: Choose) -> None:
    judges = [(_version("own"), None, None), (_version("good"), 0.9, "")]
    chosen, tally = choose("champion", judges)
    assert chosen == ["good@0"]
    [passed] = tally.passed_over
    assert passed.detector == "own@0"
    assert "was not judged on val" in passed.reason
    assert choose("all", judges)[0] == ["good@0", "own@0"]
    assert choose("champion", [(_version("own"), None, None)])[0] == []


def test_who_is_passed_over_twice_is_so_in_both_rounds(choose: Choose) -> None:
    judges = [(_version("best"), 1.0, "no gradient")]
    for round_ in (1, 2):
        _, tally = choose("champion", judges, round_=round_)
        assert [passed.round for passed in tally.passed_over] == [round_]


def test_a_target_whose_class_has_no_gradient_is_refused_before_anything_is_played() -> None:
    plugins = {"eye": "xception_block1", "spectrum": "power_spectrum"}
    check_target("eye", plugins)
    check_target("champion", plugins)
    with pytest.raises(
        ConfigError, match=r"attack.target 'spectrum' cannot be attacked: .*not differentiable; name anoth"
    ):
        check_target("spectrum", plugins)
