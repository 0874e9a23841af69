"""What a job may take, on real processes: each limit is set in a child, because a mistake would take the tests down."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs.limits import machine_gigabytes, run_limited
from fakeoff.arena.jobs.output import captured
from fakeoff.arena.watch import Spent, computed_seconds, overdue, too_late, too_slow


def in_a_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    return done.stdout.strip() or done.stderr.strip()


LIMITED = """
import resource, torch, numpy
from fakeoff.arena.errors import JobFailed
from fakeoff.arena.jobs.limits import run_limited
before = resource.getrlimit(resource.RLIMIT_DATA)
try:
    run_limited(lambda: {body}, seconds=0, gigabytes=0.5)
    print("went well")
except JobFailed as error:
    print(error)
assert resource.getrlimit(resource.RLIMIT_DATA) == before
torch.ones(300_000_000)  # 1.2 GB: the limit is gone
"""


@pytest.mark.parametrize(
    "body", ["torch.ones(200_000_000)", "numpy.ones(100_000_000)", "[bytearray(10**8) for _ in range(20)]"]
)
def test_more_memory_than_the_limit_fails_with_the_limit_named(body: str) -> None:
    said = in_a_process(LIMITED.format(body=body))
    assert said == "took more than 0.5 GB of memory (compute.job_gigabytes)"


def test_less_memory_than_the_limit_goes_well() -> None:
    assert in_a_process(LIMITED.format(body="torch.ones(50_000_000)")) == "went well"


def test_the_limit_counts_from_what_the_process_holds() -> None:
    held = "kept = torch.ones(300_000_000)\n" + LIMITED.format(body="torch.ones(50_000_000)")
    assert in_a_process("import torch\n" + held) == "went well"


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def complain() -> None:
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        run_limited(complain, seconds=0, gigabytes=5)


def loop_for(seconds: float, swallowed: list[BaseException] | None = None) -> None:
    """Loops under a limit; with a list, the first thing that is raised is only put into it."""

    def loop() -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException as error:
                if swallowed is None or swallowed:
                    raise
                swallowed.append(error)

    run_limited(loop, seconds=seconds, gigabytes=0)


def test_a_loop_without_end_ends_at_the_limit() -> None:
    started = time.monotonic()
    with pytest.raises(JobFailed, match=r"computed for longer than 0\.2 s of CPU time \(compute\.job_seconds\)"):
        loop_for(0.2)
    assert 0.2 <= time.monotonic() - started < 5


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock on the wall ends nobody, however many others compute here: the time that is computed does."""
    monkeypatch.setattr("fakeoff.arena.jobs.limits.PATIENCE", 1000.0)


def test_a_loop_that_swallows_everything_once_ends_all_the_same(patient: None) -> None:
    swallowed: list[BaseException] = []
    with pytest.raises(JobFailed, match="computed for longer"):
        loop_for(0.5, swallowed)
    assert len(swallowed) == 1


BUSY = "while True: pass"


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Three busy loops for each core: whoever computes beside them gets a quarter of the time."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(3 * (os.cpu_count() or 1))]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def compute_for(seconds: float) -> float:
    """Computes for so many CPU seconds; returns how long that took on the clock."""
    started, computed = time.monotonic(), time.process_time()
    while time.process_time() - computed < seconds:
        pass
    return time.monotonic() - started


def test_a_busy_machine_makes_nobody_late(busy_machine: None, patient: None) -> None:
    waited = run_limited(lambda: compute_for(0.6), seconds=0.9, gigabytes=0)
    assert waited > 0.9  # by the clock it was


def test_who_computes_too_much_ends_on_a_busy_machine_too(busy_machine: None, patient: None) -> None:
    with pytest.raises(JobFailed, match="computed for longer"):
        loop_for(0.3)


def test_all_threads_count_together() -> None:
    """The main thread only waits, and so computes nothing itself."""
    threads = [threading.Thread(target=compute_for, args=(2,)) for _ in range(2)]

    def work() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with pytest.raises(JobFailed, match="computed for longer"):
        run_limited(work, seconds=0.7, gigabytes=0)
    for thread in threads:
        thread.join()


def test_who_sleeps_for_ever_ends_by_the_clock_on_the_wall() -> None:
    started = time.monotonic()
    with pytest.raises(
        JobFailed, match=r"was not done after 1 s, 10 times compute\.job_seconds, .* waits for something"
    ):
        run_limited(lambda: time.sleep(60), seconds=0.1, gigabytes=0)
    assert 1 <= time.monotonic() - started < 30


def test_the_computed_seconds_of_another_process_are_read() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        computed = computed_seconds(process.pid)
        process.kill()
    assert computed is not None
    assert 0.4 <= computed < 5
    assert computed_seconds(process.pid) is None
    own = computed_seconds(os.getpid())
    assert own is not None
    assert own == pytest.approx(time.process_time(), abs=0.5)


def test_a_worker_that_heeds_nothing_is_killed_for_what_it_computed_or_for_what_it_waited() -> None:
    assert overdue(Spent(computed=29, waited=209), 20) is None
    assert overdue(Spent(computed=31, waited=31), 20) == too_slow(20)
    assert overdue(Spent(computed=3, waited=211), 20) == too_late(20)
    assert overdue(Spent(computed=1e9, waited=1e9), 0) is None


def test_no_alarm_rings_afterwards() -> None:
    run_limited(lambda: None, seconds=0.1, gigabytes=0)
    time.sleep(0.3)


def test_beside_the_main_thread_nothing_is_limited_and_nothing_breaks() -> None:
    done: list[int] = []

    def work() -> None:
        run_limited(lambda: time.sleep(0.1), seconds=0.01, gigabytes=0)
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_the_machine_has_some_memory() -> None:
    assert 0.1 < machine_gigabytes() < 100_000


def test_what_is_printed_is_kept_aside_and_a_display_that_knows_its_file_is_not() -> None:
    screen = io.StringIO()
    with redirect_stdout(screen):
        display = sys.stdout
        with captured() as output:
            print("the player's")
            print("its warning", file=sys.stderr)
            print("the display's", file=display)
        print("afterwards")
    assert output.text() == "the player's\nits warning\n"
    assert screen.getvalue() == "the display's\nafterwards\n"


def test_endless_printing_does_not_fill_the_memory() -> None:
    with captured() as output:
        for _ in range(300):
            print("x" * 1000)
    assert len(output.text()) < 101_000
    assert output.text().endswith("(more was printed)\n")
