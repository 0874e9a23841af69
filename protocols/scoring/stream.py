"""Any number of pictures before detectors: read, judged and handed on in order, a few of them in memory at a time.

Each of several threads does all of a batch by itself: it reads the files, brings them to the arena's resolution, and
judges them with detectors of its own, one thread for an operation. So files are decoded on one core while another
judges, and a score is the same on any number of cores.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from fakeoff.arena import compute
from fakeoff.arena.images.looking import cores
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.scoring.batch import BatchScorer
from fakeoff.protocols.scoring.framing import Framing
from fakeoff.protocols.scoring.judges import Judge
from fakeoff.protocols.scoring.scored import Scored
from fakeoff.protocols.scoring.sources import Found

BATCH = 32
"""How many pictures a thread takes at a time at most; of pictures cut into tiles, one."""

_LEAST, _SIDE = 8, 64  # pictures; pixels a side up to which a batch is whole
_AHEAD = 2  # batches that wait or are judged, for each thread
_FOUND_AHEAD = 4 * BATCH
_PAUSE = 0.02  # seconds: a source that is silent for so long is slow, and what came is judged meanwhile


def score_pictures(
    found: Iterable[Found],
    *,
    judges: Sequence[Judge],
    record: TournamentRecord,
    framing: Framing = "crop",
    workers: int | None = None,
    sights: bool = False,
) -> Iterator[Scored]:
    """Judges pictures as they are found. The process computes as a job does meanwhile.

    A picture's score is that of :func:`fakeoff.protocols.pictures.judge_pictures`: it does not depend on its company.

    Args:
        found: The pictures; read in a thread of its own, a little ahead.
        judges: Who judges: at least one.
        record: The tournament.
        framing: How a picture is brought to the arena's resolution.
        workers: Threads; as many as there are cores by default.
        sights: Whether patch detectors are asked for their heatmaps.

    Yields:
        One for each picture, in their order; a picture that cannot be judged is one with its reason.

    Raises:
        PluginError: A detector misbehaves.
        DataError: The source of pictures is none.
    """
    compute.prepare_process(threads=1)
    compute.share_memory()
    Image.init()  # formats register themselves: before threads ask for them
    threads = workers or cores()
    scorer = BatchScorer(judges=judges, record=record, framing=framing, sights=sights, threads=threads)
    size = 1 if framing == "tiles" else _batch_of(scorer.side)
    with contextlib.ExitStack() as stack:
        # Of odd files Pillow warns. What is silenced belongs to the whole process, so not in each thread.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        pool = ThreadPoolExecutor(threads, thread_name_prefix="score", initializer=scorer.prepare)
        stack.callback(pool.shutdown, cancel_futures=True)
        source = stack.enter_context(_Ahead(found))
        waiting: deque[Future[list[Scored]]] = deque()
        while True:
            while len(waiting) < _AHEAD * threads and (batch := source.take(size, wait=not waiting)):
                waiting.append(pool.submit(scorer.score, batch))
            if not waiting:
                return
            yield from waiting.popleft().result()


def _batch_of(side: int) -> int:
    """Fewer pictures where they are large: an operation is as much work, and as much memory."""
    return max(_LEAST, min(BATCH, BATCH * _SIDE**2 // side**2))


class _Ahead:
    """Finds pictures in a thread of its own: whoever lists them may be slow, and what came need not wait."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._found = iter(found)
        self._queue: queue.Queue[Found | BaseException | None] = queue.Queue(_FOUND_AHEAD)
        self._failure: BaseException | None = None
        self._ended = False
        self._left = threading.Event()

    def __enter__(self) -> _Ahead:
        # A daemon, because it may be waiting for a list that never ends.
        threading.Thread(target=self._run, name="find", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def take(self, most: int, *, wait: bool) -> list[Found]:
        """The next pictures: as many as there are, up to a number. Empty where there are none.

        Args:
            most: The number.
            wait: Whether to wait for the first of them; then there are none only at the end.
        """
        taken: list[Found] = []
        while len(taken) < most and not self._ended:
            try:
                one = self._queue.get(timeout=None if wait and not taken else _PAUSE)
            except queue.Empty:
                break
            if isinstance(one, Found):
                taken.append(one)
            else:
                self._ended, self._failure = True, one
        if not taken and wait and self._failure is not None:
            raise self._failure
        return taken

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for one in self._found:
                if not self._put(one):
                    return
        except BaseException as error:
            end = error
        self._put(end)

    def _put(self, one: Found | BaseException | None) -> bool:
        while not self._left.is_set():
            try:
                self._queue.put(one, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


__all__ = ["BATCH", "cores", "score_pictures"]
