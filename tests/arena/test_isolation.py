"""One job leaves nothing behind for the next: neither randomness nor switches, output, memory or alarms."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fakeoff.arena.errors import JobFailed, PluginError
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.limits import run_limited
from fakeoff.arena.jobs.output import captured
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import write_spec

TASKS = """
import logging
import numpy as np
import torch
from fakeoff.arena.jobs import Result

DRAWN = float(torch.randn(1))
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

class Stop(BaseException):
    pass

def drawn(context):
    return Result(record={"drawn": DRAWN})

def switch(context):
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    return Result(record={})

def look(context):
    x = torch.ones(2, requires_grad=True)
    return Result(record={"grad": (x * 2).requires_grad, "dtype": str(x.dtype), "device": str(x.device)})

def write(context):
    context.inputs["x"].arrays["a"][:] = 1
    return Result(record={})

def log(context):
    logging.basicConfig(force=True)
    logging.getLogger("plugin").warning("a warning of the plugin's")
    return Result(record={})

def words(context):
    return Result(record={}, arrays={"names": np.array(["a", "b"])})

def stop(context):
    raise Stop("of its own kind")
"""


class Watcher:
    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass


@pytest.fixture
def tasks(tmp_path: Path) -> PluginFile:
    (tmp_path / "isolated_tasks.py").write_text(TASKS)
    return PluginFile(path=str(tmp_path / "isolated_tasks.py"), source=TASKS.encode())


def run(tasks: PluginFile, *functions: str, kept: Mapping[str, Result] | None = None, **over: Any) -> list[Outcome]:
    jobs = [
        Job(task=f"{tasks.module}:{function}", version=1, payload={"n": n}, provisions=(tasks,), **over)
        for n, function in enumerate(functions)
    ]
    executor, outcomes = SerialExecutor(), []
    for job in jobs:
        executor.start(job, load=(kept or {}).__getitem__, observer=Watcher())
        outcomes.append(executor.wait())
    return outcomes


def record(outcome: Outcome) -> Mapping[str, Any]:
    assert outcome.failure is None
    assert outcome.result is not None
    return outcome.result.record


def test_what_a_file_draws_at_import_does_not_depend_on_which_job_came_first(tasks: PluginFile) -> None:
    found = set()
    for first in ("look", "switch", "drawn"):
        sys.modules.pop(tasks.module, None)
        found.add(record(run(tasks, first, "drawn")[1])["drawn"])
    assert len(found) == 1


def test_what_a_file_does_at_import_is_no_offence_of_the_job_that_imports_it(tasks: PluginFile) -> None:
    sys.modules.pop(tasks.module, None)
    assert [outcome.failure for outcome in run(tasks, "look", "look")] == [None, None]


def test_switches_are_put_back_for_the_next_job_and_for_the_driver(tasks: PluginFile) -> None:
    _, seen = run(tasks, "switch", "look")
    assert record(seen) == {"grad": True, "dtype": "torch.float32", "device": "cpu"}
    run(tasks, "switch")
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert torch.ones(1).device.type == "cpu"


def test_a_job_cannot_write_to_what_others_read(tasks: PluginFile) -> None:
    kept = {"k": Result(record={}, arrays={"a": np.zeros(3)})}
    (outcome,) = run(tasks, "write", kept=kept, inputs={"x": "k"})
    assert "read-only" in str(outcome.failure)  # as on Ray
    assert not kept["k"].arrays["a"].any()


def test_a_logger_that_was_set_up_in_a_job_still_logs_in_the_next(
    tasks: PluginFile, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.root.handlers[:]
    try:
        first, second = run(tasks, "log", "log")
        assert "a warning of the plugin's" in first.printed
        assert "a warning of the plugin's" in second.printed
        logging.getLogger("driver").warning("a warning of the driver's")
        assert "a warning of the driver's" in capsys.readouterr().err
    finally:
        logging.root.handlers[:] = before


def test_only_text_can_be_printed() -> None:
    with captured() as output, pytest.raises(TypeError, match="must be str, not bytes"):
        sys.stdout.write(b"x")  # type: ignore[arg-type]
    assert output.text() == ""


def test_arrays_that_cannot_be_kept_are_the_jobs_failure(tasks: PluginFile) -> None:
    (outcome,) = run(tasks, "words")
    assert outcome.failure is not None
    assert "returned <U1 in 'names'; an array of numbers can be kept" in outcome.failure


def test_whatever_is_raised_is_the_jobs_failure(tasks: PluginFile) -> None:
    assert run(tasks, "stop")[0].failure == "raised Stop: of its own kind"


def test_no_alarm_outlives_its_limit_however_short() -> None:
    ours = signal.getsignal(signal.SIGALRM)  # pytest's own limit is such an alarm
    before = signal.getitimer(signal.ITIMER_REAL)
    for microseconds in range(1, 1000):
        with contextlib.suppress(JobFailed):
            run_limited(lambda: sum(range(50)), seconds=microseconds / 1e6, gigabytes=0)
        assert signal.getsignal(signal.SIGALRM) is ours
    left = signal.getitimer(signal.ITIMER_REAL)
    assert left[1] == before[1]
    assert before[0] - 60 < left[0] <= before[0]


HARD_TO_READ = """
from __future__ import annotations
from typing import TYPE_CHECKING
import torch
from torch import nn
from fakeoff.detectors import Detector, register
if TYPE_CHECKING:
    from pathlib import Path

@register("hidden_type")
class HiddenType(Detector):
    def __init__(self, *, folder: Path | None = None) -> None:
        super().__init__()

@register("object_default")
class ObjectDefault(Detector):
    def __init__(self, *, norm: type = nn.BatchNorm2d) -> None:
        super().__init__()

@register("takes_device")
class TakesDevice(Detector):
    def __init__(self, *, device: torch.device | None = None, rate: float = 1.0) -> None:
        super().__init__()
"""


@pytest.mark.parametrize(
    ("plugin", "parameters", "said"),
    [
        ("hidden_type", {}, "the parameters of detector 'hidden_type' cannot be read: NameError"),
        ("object_default", {}, "detector 'object_default': its parameters are no plain values"),
        ("takes_device", {"device": "cpu"}, "parameter 'device' cannot be given: .* is no type that a configuration"),
        ("takes_device", {"rate": float("inf")}, "detector 'takes_device': its parameters are no plain values"),
    ],
)
def test_parameters_that_cannot_be_read_are_said_in_one_line(
    tmp_path: Path, plugin: str, parameters: dict[str, Any], said: str
) -> None:
    from fakeoff.detectors import players

    (tmp_path / "hard_to_read.py").write_text(HARD_TO_READ)
    file = load_plugin_file(tmp_path / "hard_to_read.py")
    try:
        with pytest.raises(PluginError, match=said):
            write_spec(players, name="x", plugin=plugin, parameters=parameters)
    finally:
        players.forget(file.path)
        del sys.modules[file.module]


def test_a_class_path_may_lead_into_a_class() -> None:
    registry: Registry[nn.Module] = Registry("detector", interface=nn.Module)
    assert registry.load(f"{__name__}:Outer.Inner") is Outer.Inner


class Outer:
    class Inner(nn.Module):
        pass
