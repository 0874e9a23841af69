"""Frames of a collection's videos as folders of images: the same crop of an original and of all that was made of it."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.images.reals import Split
from fakeoff.arena.videos.cutting import Wanted, cut_out
from fakeoff.arena.videos.encodings import Encoding, encoding_of
from fakeoff.arena.videos.layout import Video
from fakeoff.arena.videos.manifest import Extracted, append_to_manifest, some, write_manifest, writing
from fakeoff.arena.videos.places import Key, arrange, keys_of, remove_empty_folders, settle
from fakeoff.arena.videos.plan import Plan


def extract(
    plan: Plan,
    splits: Mapping[str, Split],
    *,
    workers: int = 1,
    report: Callable[[Extracted], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> list[Extracted]:
    """Writes frames as PNG files; what was done before is left as it is, and lies in the split that it belongs to now.

    ``OUT/real/SPLIT/ORIGINAL/03.png`` is the fourth frame of an original, ``OUT/fake/METHOD/SPLIT/VIDEO/03.png`` is
    what a manipulation shows at the same instant, cut out at the same place, and
    ``OUT/masks/METHOD/SPLIT/VIDEO/03.png`` is what was changed there.

    ``OUT/videos.jsonl`` says what is done: killed and begun again, the files are the same.

    Args:
        plan: From :func:`plan_extraction`.
        splits: Of each original of ``plan.collection``, by name.
        workers: Processes.
        report: Told of each original as it is done, or was before.
        note: Told what a user should know, in one line.

    Returns:
        What became of each original, in order.

    Raises:
        FakeoffError: PyAV is not installed, a file cannot be written, or a process was killed.
    """
    out = plan.out
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Extracted] = {}
    todo: dict[str, Wanted] = {}
    for name, video in plan.collection.originals.items():
        wanted = plan.wanted(name, splits[name])
        if wanted is None or plan.is_done(wanted):
            made = {(each.method, each.name): each for each in plan.collection.manipulations.get(name, ())}
            entry = plan.before[name]
            entries[name] = replace(
                entry,
                people=video.people,
                own=video.split,
                split=splits[name],
                manipulations=tuple(
                    replace(
                        each,
                        people=made[each.method, each.name].people,
                        encoding=each.encoding or _encoding(made[each.method, each.name]),
                    )
                    for each in entry.manipulations
                    if (each.method, each.name) in made
                ),
                encoding=entry.encoding or _encoding(video),
            )
        else:
            todo[name] = wanted
            entries[name] = plan.begun(wanted)
    _move(plan, entries, note)
    work = functools.partial(cut_out, out=out, settings=plan.settings)
    results: list[Extracted] = []
    with _mapped(work, [*todo.values()], workers) as fresh:
        for name, entry in entries.items():
            found = next(fresh) if name in todo else entry
            if name in todo:
                append_to_manifest(out, found)
            results.append(found)
            report(found)
    write_manifest(out, plan.header, results)
    remove_empty_folders(out)
    return results


def _encoding(video: Video) -> Encoding | None:
    """Of a video that was read before this was asked; those that are gone have none."""
    return encoding_of(video.path) if video.path.is_file() else None


def _move(plan: Plan, entries: Mapping[str, Extracted], note: Callable[[str], None]) -> None:
    """Everything to its split, before a new video binds anybody.

    The list is written when all that moves is out of the way, and what is to be removed is gone: until then it is the
    old one that knows of it.
    """
    split_of: dict[Key, Split] = {key: entry.split for entry in entries.values() for key in keys_of(entry)}
    known = {key: None for entry in (*plan.before.values(), *entries.values()) for key in keys_of(entry)}
    waiting = arrange(plan.out, known, split_of)
    write_manifest(plan.out, plan.header, entries.values())
    settle(plan.out, waiting, split_of)
    remove_empty_folders(plan.out)
    if moved := [f"{name} to {split_of[tree, name]}" for tree, name in waiting if tree == "real"]:
        note(f"moved, with all that was made of them, because they belong to another split now: {some(moved)}")


@contextlib.contextmanager
def _mapped(work: Callable[[Wanted], Extracted], wanted: list[Wanted], workers: int) -> Iterator[Iterator[Extracted]]:
    if workers <= 1 or len(wanted) <= 1:
        yield map(work, wanted)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool.map(work, wanted)
        except BrokenProcessPool as error:
            raise FakeoffError(
                "one of the processes was killed, perhaps for want of memory: what was done before is kept; run the "
                f"same command again, with fewer than --workers {workers} if it happens again"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
