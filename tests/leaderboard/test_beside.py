"""What is done beside a game: in order, once, and never silently lost."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from fakeoff.leaderboard.conduct.beside import Beside


def test_things_are_done_in_order_and_leaving_waits_for_them() -> None:
    done: list[int] = []
    slowly = threading.Event()
    with Beside(at_once=False) as beside:
        beside.do(lambda: (slowly.wait(10), done.append(0))[1])
        for number in range(1, 5):
            beside.do(lambda number=number: done.append(number))
        assert done == []  # it did not wait for the first one
        slowly.set()
    assert done == [0, 1, 2, 3, 4]


def test_at_once_is_in_this_thread_and_over_when_it_returns() -> None:
    threads: list[int] = []
    with Beside(at_once=True) as beside:
        beside.do(lambda: threads.append(threading.get_ident()))
        assert threads == [threading.get_ident()]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_went_wrong_is_raised(at_once: bool) -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), Beside(at_once=at_once) as beside:
        beside.do(fail)


def test_what_went_wrong_is_raised_while_the_game_still_plays() -> None:
    def fail() -> None:
        raise OSError("the disk is full")

    def play_on(beside: Beside) -> None:
        beside.do(fail)
        patience = time.monotonic() + 10
        while time.monotonic() < patience:
            beside.do(lambda: None)
            time.sleep(0.01)
        pytest.fail("nobody was told")

    beside = Beside(at_once=False)
    with pytest.raises(OSError, match="the disk is full"):
        play_on(beside)


def test_a_game_that_ends_early_waits_for_what_has_begun_and_drops_the_rest() -> None:
    done: list[str] = []
    begun, slowly = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        slowly.wait(10)
        done.append("first")

    def play() -> None:
        with Beside(at_once=False) as beside:
            beside.do(first)
            beside.do(lambda: done.append("second"))
            begun.wait(10)
            threading.Timer(0.2, slowly.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert done == ["first"]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux alone")
def test_it_gives_way_to_the_game() -> None:
    seen: list[int] = []
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with Beside(at_once=False) as beside:
        beside.do(lambda: seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert seen == [max(10, before)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
