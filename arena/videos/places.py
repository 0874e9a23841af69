"""Where the images of each video lie, and how they come to another split: never with anybody in two."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.videos.manifest import Extracted, OfMethod, writing

Key = tuple[str, str]
"""A tree and the name of a video in it: ``("real", "000")``, ``("fake/Deepfakes", "000_003")``."""

_TREES = ("real", "fake", "masks")
_MOVING = ".moving"
"""What is on its way between splits; nothing plays it."""


def folder_of(out: Path, key: Key, split: Split) -> Path:
    """Where a video's images belong."""
    tree, name = key
    return out / tree / split / name


def original_key(name: str) -> Key:
    """Of the frames of an original."""
    return ("real", name)


def fake_keys(method: str, name: str) -> tuple[Key, Key]:
    """Of the frames of a manipulation, and of its masks."""
    return (f"fake/{method}", name), (f"masks/{method}", name)


def keys_of(entry: Extracted) -> list[Key]:
    """Of all that is, or may be, of an original."""
    fakes = [key for each in entry.manipulations for key in fake_keys(each.method, each.name)]
    return [original_key(entry.original), *fakes]


def has_original(out: Path, entry: Extracted) -> bool:
    """Whether the frames of an original lie somewhere, at one place, as many as were written."""
    return _count(out, original_key(entry.original)) == entry.frames


def has_fake(out: Path, each: OfMethod) -> bool:
    """The same of a manipulation and of its masks."""
    return [_count(out, key) for key in fake_keys(each.method, each.name)] == [each.frames, each.masks]


def arrange(out: Path, known: Iterable[Key], split_of: Mapping[Key, Split]) -> list[Key]:
    """Takes what lies in another split than its own to where nothing plays it, and removes what belongs nowhere.

    All of it is taken out before :func:`settle` brings any back: killed at any moment, nobody is in two splits. Where
    things lie is looked up in the folder itself, so that a later call goes on, whatever has changed in between.

    Args:
        out: The folder.
        known: Videos whose images may be there; what else there is is not touched.
        split_of: Where those that stay belong.

    Returns:
        What waits to be settled.
    """
    waiting = []
    for key in known:
        own = folder_of(out, key, split_of[key]) if key in split_of else None
        places = _places(out, key)
        staying = own if own in places else next(iter(places), None) if own is not None else None
        for place in places:
            if place != staying:
                with writing(place):
                    shutil.rmtree(place)
        if staying is not None and staying != own:
            aside = _aside(out, key)
            if staying != aside:
                with writing(aside):
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    staying.rename(aside)
            waiting.append(key)
    return waiting


def settle(out: Path, waiting: Iterable[Key], split_of: Mapping[Key, Split]) -> None:
    """Brings what :func:`arrange` took out to where it belongs."""
    for key in waiting:
        place = folder_of(out, key, split_of[key])
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            _aside(out, key).rename(place)


def remove_empty_folders(out: Path) -> None:
    """Those that moving and removing left: the folder is as if it had been extracted at once."""
    for tree in (*_TREES, _MOVING):
        # At most METHOD/SPLIT/VIDEO and its images: not as deep as a stranger's folder might be.
        for root, folders, files in sorted(os.walk(out / tree), reverse=True):
            if not files and all(not (Path(root) / folder).exists() for folder in folders):
                with writing(Path(root)):
                    Path(root).rmdir()


def _aside(out: Path, key: Key) -> Path:
    tree, name = key
    return out / _MOVING / tree / name


def _places(out: Path, key: Key) -> list[Path]:
    candidates = [*(folder_of(out, key, split) for split in SPLITS), _aside(out, key)]
    return [place for place in candidates if place.is_dir()]


def _count(out: Path, key: Key) -> int:
    """Images of a video; -1 where they are at several places, and so nothing to rely on."""
    places = _places(out, key)
    if len(places) > 1:
        return -1
    return sum(path.suffix == ".png" for place in places for path in place.iterdir())
