"""What there is to do in a folder: the videos of now, and those that were extracted into it before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fakeoff.arena.images.reals import Split
from fakeoff.arena.videos.cutting import Wanted
from fakeoff.arena.videos.layout import Collection, Video
from fakeoff.arena.videos.manifest import (
    Extracted,
    Extraction,
    OfMethod,
    file_of,
    fingerprint,
    header_of,
    read_manifest,
    some,
)
from fakeoff.arena.videos.places import has_fake, has_original


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an extraction will do; nothing is written yet.

    Attributes:
        collection: All that the folder will hold: it decides who is in which split. Videos that were extracted before
            and whose files are no longer there have an empty path.
        out: The folder.
        settings: How.
        header: The first line of the folder's list.
        before: What the folder holds, by original.
        files: Of each video that is there, its own and its mask's :func:`fingerprint`.
        notes: What a user should know of it, one line each.
    """

    collection: Collection
    out: Path
    settings: Extraction
    header: Mapping[str, Any]
    before: Mapping[str, Extracted]
    files: Mapping[Video, Mapping[str, str]]
    notes: tuple[str, ...]

    def wanted(self, name: str, split: Split) -> Wanted | None:
        """An original that is there, as a process is told of it; None of one that is kept from before."""
        video, entry = self.collection.originals[name], self.before.get(name)
        if _is_gone(video):
            return None
        every = self.collection.manipulations.get(name, ())
        gone = {(each.method, each.name) for each in every if _is_gone(each)}
        kept = tuple(each for each in entry.manipulations if (each.method, each.name) in gone) if entry else ()
        there = tuple(each for each in every if not _is_gone(each))
        files = {} if entry is None else _files_before(entry, kept)
        for each in (video, *there):
            files |= self.files[each]
        return Wanted(video=video, manipulations=there, kept=kept, files=dict(sorted(files.items())), split=split)

    def is_done(self, wanted: Wanted) -> bool:
        """Whether all files of an original are what they were when they were read, and what was written is there."""
        entry = self.before.get(wanted.video.name)
        return (
            entry is not None
            and not entry.problems
            and dict(entry.files) == wanted.files
            and has_original(self.out, entry)
            and all(has_fake(self.out, each) for each in entry.manipulations)
        )

    def begun(self, wanted: Wanted) -> Extracted:
        """What the list says while an original is read: nothing of what is read counts as done."""
        entry = self.before.get(wanted.video.name)
        before = {} if entry is None else {(each.method, each.name): each for each in entry.manipulations}
        found = tuple(before.get((each.method, each.name)) or OfMethod.of(each) for each in wanted.manipulations)
        begun = wanted.result(
            tuple(replace(each, people=video.people) for each, video in zip(found, wanted.manipulations, strict=True))
        )
        same = entry is not None and entry.frames > 0 and self.files[wanted.video].items() <= entry.files.items()
        stays = {*self.files[wanted.video], *(_files_before(entry, wanted.kept) if entry is not None else ())}
        return replace(
            begun,
            frames=0 if entry is None else entry.frames,
            files={file: told for file, told in wanted.files.items() if same and file in stays},
        )


def plan_extraction(collection: Collection, out: Path, settings: Extraction) -> Plan:
    """Compares the videos that are there with what a folder holds already; writes nothing.

    What was extracted before stays: videos of other methods than those that are asked for now, and videos that are no
    longer there. Whoever is in them is bound as everybody is.

    Args:
        collection: The videos.
        out: The folder.
        settings: How frames are taken.

    Raises:
        DataError: The folder was made with other settings, or its list is damaged.
    """
    header = header_of(collection, settings)
    before = read_manifest(out, header)
    originals = dict(collection.originals)
    files = {video: _files(video) for video in originals.values()}
    manipulations = {name: list(videos) for name, videos in collection.manipulations.items()}
    there = {
        (video.method, video.name): video.original
        for several in (*collection.manipulations.values(), *collection.others.values())
        for video in several
    }
    kept: list[str] = []
    lost: list[str] = []
    for name, entry in before.items():
        here = name in collection.originals
        stays = entry.frames > 0 and file_of("", name) in entry.files and has_original(out, entry)
        stays = stays and (not here or files[originals[name]].items() <= entry.files.items())
        if not here and stays:
            originals[name] = Video(
                path=Path(), name=name, method="", people=entry.people, original=name, split=entry.own
            )
            kept.append(name)
        asked = {(video.method, video.name) for video in collection.manipulations.get(name, ())}
        others = {(video.method, video.name): video for video in collection.others.get(name, ())}
        for each in entry.manipulations:
            key = (each.method, each.name)
            if key in asked or not each.frames or there.get(key, name) != name:  # said to be of another original now
                continue
            if key in others:
                manipulations.setdefault(name, []).append(others[key])
            elif stays and file_of(*key) in entry.files and has_fake(out, each):
                gone = Video(path=Path(), name=each.name, method=each.method, people=each.people, original=name)
                manipulations.setdefault(name, []).append(gone)
                kept += [f"{each.method} {each.name}"] if here else []
            else:
                lost.append(f"{each.method} {each.name}")
        lost += [name] if not here and not stays and entry.frames else []
    joined = replace(
        collection,
        originals=dict(sorted(originals.items())),
        manipulations={
            name: tuple(sorted(videos, key=lambda video: (video.method, video.name)))
            for name, videos in manipulations.items()
        },
    )
    for videos in joined.manipulations.values():
        files |= {video: _files(video) for video in videos if not _is_gone(video)}
    return Plan(
        collection=joined,
        out=out,
        settings=settings,
        header=header,
        before=before,
        files=files,
        notes=_notes(out, kept, lost),
    )


def _notes(out: Path, kept: Sequence[str], lost: Sequence[str]) -> tuple[str, ...]:
    lines = []
    if kept:
        lines.append(
            "kept from before, though the videos are no longer there (to be rid of them, give another --out): "
            f"{some(kept)}"
        )
    if lost:
        lines.append(
            f"removed from '{out}', because the videos are no longer there, and they or their originals were not whole "
            f"or have changed: {some(lost)}"
        )
    return tuple(lines)


def _is_gone(video: Video) -> bool:
    return video.path == Path()


def _files(video: Video) -> dict[str, str]:
    """Of a video and of its mask."""
    files = {file_of(video.method, video.name): fingerprint(video.path)}
    if video.mask is not None:
        files[file_of(video.method, video.name, mask=True)] = fingerprint(video.mask)
    return files


def _files_before(entry: Extracted, kept: Sequence[OfMethod]) -> dict[str, str]:
    """Of what is kept, as it was."""
    names = {file_of(each.method, each.name, mask=mask) for each in kept for mask in (False, True)}
    return {file: told for file, told in entry.files.items() if file in names}
