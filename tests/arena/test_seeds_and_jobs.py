from __future__ import annotations

import contextlib
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info
from typing_extensions import TypedDict

from fakeoff.arena.compute import prepare_process
from fakeoff.arena.errors import ConfigError, JobFailed, PluginError, one_line, suggestion
from fakeoff.arena.jobs import Context, Job, Outcome, Result, execute
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.seeds import (
    canonical_json,
    digest,
    global_draws,
    global_states,
    rng_from,
    sealed,
    seed_from,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)

TASK = f"{__name__}_tasks"


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs a function as a job's task, under a module name that the job can import."""

    def run(function: Callable[[Context], Any], **of_job: Any) -> Outcome:
        module = type(sys)(TASK)
        module.task = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, TASK, module)
        job = Job(**{"task": f"{TASK}:task", "version": 1, "payload": {}, **of_job})
        return execute(job, {}, lambda done, total, note="": None)

    return run


@given(value=st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_matter_to_a_digest(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(backwards) == canonical_json(value)
    assert digest(backwards) == digest(value)
    assert len(digest(value)) == 64


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": float("-inf")}]])
def test_what_is_not_finite_has_no_canonical_text(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)


def test_a_digest_is_the_same_in_every_version_of_the_program() -> None:
    """Stored results are found again by these."""
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(a=JSON, b=JSON)
def test_seeds_follow_what_they_are_made_of(a: Any, b: Any) -> None:
    assert seed_from(a, b) == seed_from(a, b)
    assert 0 <= seed_from(a, b) < 2**63
    assert (seed_from(a) == seed_from(b)) == (canonical_json(a) == canonical_json(b))


def test_random_generators_of_one_origin_draw_the_same_and_leave_global_state_alone() -> None:
    before = torch.get_rng_state()
    draws = [torch.rand(4, generator=rng_from(*parts)) for parts in (("a", 1), ("a", 1), ("a", 2))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before)


def drawn() -> tuple[Any, ...]:
    """A draw from each global generator."""
    return torch.rand(3).tolist(), np.random.random(3).tolist(), [random.random() for _ in range(3)]


def test_what_draws_from_global_state_in_a_seal_draws_what_the_seal_says_and_leaves_no_trace() -> None:
    before = global_states()
    assert set(before) == {"torch", "numpy", "random"}
    with sealed("a", 1):
        first = drawn()
        inside = global_states()
        with contextlib.suppress(ZeroDivisionError), sealed("b"):
            assert all(one != other for one, other in zip(drawn(), first, strict=True))
            raise ZeroDivisionError
        assert global_states() == inside
    assert global_states() == before
    assert all(before[library] != inside[library] for library in before)  # each of them moved
    with sealed("a", 1):
        assert drawn() == first
    seed = seed_from("a", 1)
    torches, numpys, randoms = first
    assert torches == torch.rand(3, generator=torch.Generator().manual_seed(seed)).tolist()
    assert numpys == np.random.RandomState(seed % 2**32).random(3).tolist()
    of_random = random.Random(seed)
    assert randoms == [of_random.random() for _ in range(3)]


def test_a_seal_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    before, state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "torch")  # nobody has imported it yet
        with sealed("a", 1):
            without = np.random.random(3).tolist(), random.random()
        assert "torch" not in sys.modules
    with sealed("a", 1):
        assert without == (np.random.random(3).tolist(), random.random())
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == state


def test_global_draws_follow_the_generator_that_a_player_was_handed_which_moves_on_by_one() -> None:
    before, rng = global_states(), rng_from("player")
    draws = []
    for _ in range(2):
        with global_draws(rng):
            draws.append(drawn())
    assert draws[0] != draws[1]
    assert global_states() == before
    again, alone = rng_from("player"), rng_from("player")
    with global_draws(again):
        assert drawn() == draws[0]
    seed = int(torch.randint(2**62, (), generator=alone))
    assert torch.equal(again.get_state(), alone.get_state())
    assert draws[0][1] == np.random.RandomState(seed % 2**32).random(3).tolist()  # as in every stored result


class Member(TypedDict):
    plugin: str
    parameters: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TaskArguments:
    weight: float
    members: tuple[Member, ...]


def test_a_task_gets_the_arguments_that_its_job_was_written_with(play: Callable[..., Outcome]) -> None:
    written = TaskArguments(weight=0.5, members=({"plugin": "a", "parameters": {"deep": [1, {"er": None}]}},))

    def compare(context: Context) -> Result:
        return Result(record={"same": context.arguments(TaskArguments) == written})

    # The bench adds to payloads of experiments.
    for payload in (asdict(written), json.loads(json.dumps(asdict(written))), {**asdict(written), "seed": 3}):
        outcome = play(compare, payload=payload)
        assert outcome.result is not None, outcome.failure
        assert outcome.result.record == {"same": True}


@pytest.mark.parametrize(
    ("over", "what"),
    [
        ({"weight": "much"}, "'weight': Input should be a valid number"),
        ({"weight": None}, "'weight': Input should be a valid number"),
        ({"members": [{"plugin": "a"}]}, "'members.0.parameters': Field required"),
    ],
)
def test_a_payload_that_does_not_fit_is_one_line(play: Callable[..., Outcome], over: dict[str, Any], what: str) -> None:
    def read(context: Context) -> Result:
        return Result(record={"weight": context.arguments(TaskArguments).weight})

    failure = play(read, payload={"weight": 0.5, "members": [], **over}).failure
    assert failure is not None
    assert failure.startswith(f"was given a payload that is no TaskArguments: {what}")
    assert failure.endswith("; write the job with dataclasses.asdict(TaskArguments(...))")
    assert "\n" not in failure


BASE: dict[str, Any] = {"task": "m:f", "version": 1, "payload": {"n": 1, "of": [1, 2]}, "inputs": {"x": "k"}}


@pytest.mark.parametrize(
    "change",
    [
        {"task": "m:g"},
        {"version": 2},
        {"payload": {"n": 2, "of": [1, 2]}},
        {"payload": {"n": 1, "of": [2, 1]}},
        {"inputs": {"x": "l"}},
        {"inputs": {"y": "k"}},
        {"threads": 2},
    ],
)
def test_whatever_decides_the_result_changes_the_key(change: Mapping[str, Any]) -> None:
    assert Job(**{**BASE, **change}).key != Job(**BASE).key


@pytest.mark.parametrize(
    "change",
    [
        {"label": "for people"},
        {"player": "pgan"},
        {"places": {"plugins": ["/elsewhere/p.py"]}},
        {"payload": {"of": [1, 2], "n": 1}},
    ],
)
def test_names_and_places_do_not_change_the_key(change: Mapping[str, Any]) -> None:
    assert Job(**{**BASE, **change}).key == Job(**BASE).key


def test_a_jobs_randomness_comes_from_its_key_and_purpose(play: Callable[..., Outcome]) -> None:
    def task(context: Context) -> Result:
        draws = {name: torch.rand(3, generator=context.rng(name)).numpy() for name in ("a", "b")}
        return Result(record={"key": context.key}, arrays=draws)

    first, again, other = (play(task, payload={"seed": seed}).result for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.arrays["a"], again.arrays["a"])
    assert not np.array_equal(first.arrays["a"], first.arrays["b"])
    assert not np.array_equal(first.arrays["a"], other.arrays["a"])
    assert first.record["key"] == Job(task=f"{TASK}:task", version=1, payload={"seed": 1}).key


@pytest.mark.parametrize("threads", [1, 2])
def test_a_job_runs_with_its_own_number_of_threads(play: Callable[..., Outcome], threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        outcome = play(lambda context: Result(record={"n": torch.get_num_threads()}), threads=threads)
    finally:
        torch.set_num_threads(before)
    assert outcome.result is not None
    assert outcome.result.record == {"n": threads}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("two\n  lines"), "raised ValueError: two lines"),
        (SystemExit(3), "raised SystemExit: 3"),
        (MemoryError(), "raised MemoryError"),
        (JobFailed("sampled nothing"), "sampled nothing"),
        (ConfigError("mend this"), "mend this"),
    ],
)
def test_whatever_a_task_raises_is_the_outcomes_failure(
    play: Callable[..., Outcome], error: BaseException, failure: str
) -> None:
    def task(context: Context) -> Result:
        raise error

    outcome = play(task)
    assert outcome.result is None
    assert outcome.failure == failure


def test_ctrl_c_is_not_a_players_failure(play: Callable[..., Outcome]) -> None:
    def task(context: Context) -> Result:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(task)


@pytest.mark.parametrize(
    ("result", "failure"),
    [
        (Result(record={"loss": float("nan")}), "gave figures that are not finite"),
        (Result(record={}, arrays={"w": np.array([1, np.inf])}), "left values that are not finite in 'w'"),
        (Result(record={"x": object()}), "raised TypeError"),
        (None, "raised AttributeError"),
    ],
)
def test_a_result_that_is_not_fit_to_keep_is_a_failure(play: Callable[..., Outcome], result: Any, failure: str) -> None:
    outcome = play(lambda context: result)
    assert outcome.result is None
    assert failure in str(outcome.failure)


def test_a_task_or_plugin_that_cannot_be_found_is_a_failure(play: Callable[..., Outcome], tmp_path: Path) -> None:
    assert "ModuleNotFoundError" in str(play(lambda context: None, task="no_such_room:f").failure)
    broken = PluginFile(path=str(tmp_path / "broken.py"), source=b"1 / 0")
    outcome = play(lambda context: Result(record={}), provisions=(broken,))
    assert "broken.py' does not load: ZeroDivisionError" in str(outcome.failure)


def test_suggestions_are_made_only_for_near_words() -> None:
    assert suggestion("xcepton", ["pgan", "xception"]) == "; did you mean 'xception'?"
    assert suggestion("stylegan", ["xception"]) == ""
    assert one_line(PluginError("a\n\tb")) == "PluginError: a b"


def test_a_jobs_threads_bind_torch_and_blas_alike() -> None:
    prepare_process(threads=1)
    assert torch.get_num_threads() == 1
    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert pools
    assert set(pools) == {1}


def test_a_name_keeps_a_key_where_code_moves() -> None:
    def job(**over: Any) -> Job:
        return Job(**{"task": "fakeoff.somewhere:attack", "version": 3, "payload": {}, "name": "attack", **over})

    assert job().key == job(task="fakeoff.elsewhere:attack").key
    assert job().key != job(version=4).key
    assert job().key != job(name="defend").key
    assert job(name="").key != job(name="", task="fakeoff.elsewhere:attack").key


def test_a_job_that_is_blind_has_its_key_and_none_of_those_that_it_reads() -> None:
    job = Job(task="a:b", version=1, payload={}, inputs={"x": "k" * 64})
    assert job.blind().key == job.key
    assert job.blind().inputs == {}
