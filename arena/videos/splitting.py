"""Who is in which split: nobody is in two, neither as whose face it is nor as whose video it is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.videos.layout import Collection, Video, read_json

SHARES: Mapping[Split, float] = {"train": 0.72, "val": 0.14, "test": 0.14}
"""Of the original videos: 720, 140 and 140 of the 1,000 of FaceForensics++."""


def read_published(folder: Path) -> dict[str, Split]:
    """The published split of FaceForensics++: ``train.json``, ``val.json`` and ``test.json``, lists of pairs of ids.

    Args:
        folder: That has them.

    Returns:
        The split of each id.

    Raises:
        DataError: One is missing, empty or no such list, or an id is in two.
    """
    split_of: dict[str, Split] = {}
    for split in SPLITS:
        path = folder / f"{split}.json"
        if not path.is_file():
            raise DataError(f"'{folder}' has no {split}.json; give the folder with train.json, val.json and test.json")
        pairs = read_json(path)
        if not isinstance(pairs, list) or not all(isinstance(pair, list) for pair in pairs):
            raise DataError(f'\'{path}\' is no list of pairs of ids, such as [["000", "003"]]')
        people = [person for pair in pairs for person in pair]
        for person in people:
            if not isinstance(person, str):  # a number has lost its zeros: 3 is not "003"
                said = f'{json.dumps(person)[:40]} where an id in quotes is expected, such as "003"'
                raise DataError(f"'{path}' has {said}")
        if not people:
            raise DataError(f"'{path}' is empty, and a game needs people in each split: give some to {split}")
        for person in people:
            if split_of.setdefault(person, split) != split:
                raise DataError(f"the published lists have '{person}' in {split_of[person]} and in {split}")
    return split_of


def assign_people(collection: Collection, published: Mapping[str, Split] | None = None) -> dict[str, Split]:
    """The split of every original video; its manipulations are of the same.

    People who are in one video together are in one split; so a swap of 000 and 003 binds both and all that they are in.
    What the published list leaves out, or where there is none, is divided 72 / 14 / 14 by the hash of the names, the
    bound together. A collection's own list of test videos is kept.

    Args:
        collection: The videos.
        published: The split of people, from :func:`read_published`.

    Returns:
        By the name of an original.

    Raises:
        DataError: There are too few people or they are bound together, a manipulation joins people of two splits of the
            list, the list names nobody, or a split would be empty.
    """
    if published is None and any(video.split for video in collection.originals.values()):
        return _own_split(collection)
    together = _bound(collection)
    decided = _decided(collection, together, published or {})
    sizes: Counter[int] = Counter(together[video.people[0]] for video in collection.originals.values())
    names = {group: min(person for person in together if together[person] == group) for group in sizes}
    free = sorted((group for group in sizes if group not in decided), key=lambda group: _draw(names[group]))
    if not published and len(free) < len(SPLITS):
        raise DataError(_too_few(collection, len(free)))
    decided |= _divide(free, sizes)
    split_of = {name: decided[together[video.people[0]]] for name, video in collection.originals.items()}
    if missing := [split for split in SPLITS if split not in split_of.values()]:
        lists = " and ".join(f"{split}.json" for split in missing)
        raise DataError(
            f"no original video is left for {' and '.join(missing)}: add videos of the people of {lists}, or give "
            "other lists with --splits"
        )
    return split_of


def people_of_no_list(collection: Collection, published: Mapping[str, Split]) -> tuple[str, ...]:
    """Whose split the lists do not say, sorted."""
    return tuple(sorted(set(_bound(collection)) - set(published)))


def _decided(collection: Collection, together: Mapping[str, int], published: Mapping[str, Split]) -> dict[int, Split]:
    """The split of each group that somebody of a list is in."""
    if published and not set(published) & set(together):
        raise DataError(
            f"the lists of --splits name nobody of these videos: they have '{min(published)}', say, and the videos "
            f"'{min(together)}'; give the lists of this collection"
        )
    for videos in collection.manipulations.values():
        for video in videos:
            of_lists = {published[person]: person for person in video.people if person in published}
            if len(of_lists) > 1:
                said = " and ".join(f"'{person}' of {split}" for split, person in of_lists.items())
                raise DataError(
                    f"{video.method} {video.name} joins people of two lists of --splits, {said}: mend the lists, or "
                    "leave the video out"
                )
    decided: dict[int, Split] = {}
    for person, split in published.items():
        if person in together and decided.setdefault(together[person], split) != split:
            raise DataError(
                f"videos join people of {decided[together[person]]} and of {split} of the lists of --splits, "
                f"'{person}' and others, by way of somebody of no list: put them into one list, or leave videos out"
            )
    return decided


def _too_few(collection: Collection, groups: int) -> str:
    """Why nothing can be divided, and what helps."""
    if len({video.people[0] for video in collection.originals.values()}) < len(SPLITS):
        return (
            f"{len(collection.originals)} original video(s) of too few people cannot be divided into train, val and "
            "test: give originals of at least 3"
        )
    joining = [
        f"{video.method} {video.name}"
        for videos in collection.manipulations.values()
        for video in videos
        if len(set(video.people)) > 1
    ]
    helps = "leave some of these videos out, or take some of --methods"
    if collection.kind == "celeb-df":
        helps = "put Celeb-DF's List_of_testing_videos.txt into the folder, which says what is test"
    return (
        f"the people of these videos are bound together in {groups} group(s), because their faces were put into each "
        f"other's videos, such as {joining[0]}: they cannot be divided into train, val and test; {helps}"
    )


def _bound(collection: Collection) -> dict[str, int]:
    """Which group of people each is in: those who are in a video together, and so on."""
    videos: list[Video] = [*collection.originals.values()]
    videos += [video for several in collection.manipulations.values() for video in several]
    people = sorted({person for video in videos for person in video.people})
    places = {person: place for place, person in enumerate(people)}
    pairs = [(places[video.people[0]], places[person]) for video in videos for person in video.people]
    # The original's own person, too: a manipulation is filed under its original.
    pairs += [
        (places[collection.originals[name].people[0]], places[person])
        for name, several in collection.manipulations.items()
        for video in several
        for person in video.people
    ]
    rows, columns = zip(*pairs, strict=True)
    graph = coo_array(([1] * len(pairs), (rows, columns)), shape=(len(people), len(people)))
    _, groups = connected_components(graph, directed=False)
    return {person: int(groups[place]) for person, place in places.items()}


def _divide(groups: Sequence[int], sizes: Mapping[int, int]) -> dict[int, Split]:
    """Each group to the split that is furthest below its share; val and test get one before train gets its second."""
    total = sum(sizes[group] for group in groups)
    have: Counter[Split] = Counter()
    decided: dict[int, Split] = {}
    for group in groups:
        empty = [split for split in SPLITS if not have[split]]
        lacking = {split: SHARES[split] * total - have[split] for split in SPLITS}
        chosen = empty[0] if empty else max(SPLITS, key=lambda split: lacking[split])
        decided[group] = chosen
        have[chosen] += sizes[group]
    return decided


def _own_split(collection: Collection) -> dict[str, Split]:
    """Test is what the collection's list says; of the rest every seventh person or so is val."""
    split_of: dict[str, Split] = {}
    for name, video in collection.originals.items():
        own = video.split or ("val" if _draw(video.people[0]) < SHARES["val"] / (1 - SHARES["test"]) else "train")
        split_of[name] = own
    if missing := [split for split in SPLITS if split not in split_of.values()]:
        raise DataError(f"no original video is left for {' and '.join(missing)}: add videos")
    return split_of


def _draw(name: str) -> float:
    """A number in [0, 1) that follows from a name."""
    return int(hashlib.sha256(f"video split:{name}".encode()).hexdigest()[:12], 16) / 16**12
