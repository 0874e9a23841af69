"""The one reader of splits and people: which pictures belong together, and which are for training, val and test.

It reads names alone. Folders called ``train``, ``val`` and ``test`` are the split, or it is refused; a folder below
them, else the first one, is a person.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.arena.errors import ConfigError, DataError

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

# 28 / 4 / 8 of the 40 people of ORL.
SPLIT_SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}

SplitBy: TypeAlias = Literal["folder", "file"]
SplitFolders: TypeAlias = Literal["respect", "ignore"]

_FOLDERS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FAKES = re.compile(r"(\d_)?(fakes?|generated|synthetic|deepfakes?|manipulated)", re.IGNORECASE)
_REALS = re.compile(r"(\d_)?(reals?|originals?|genuine|authentic|pristine)", re.IGNORECASE)
_NEARLY = re.compile(
    r"(train|training|val|valid|validation|dev|eval|test|testing)"
    r"([ _.-]?(sets?|data|images|imgs|splits?|faces|part|\d+))+",
    re.IGNORECASE,
)
"""What folders of splits are called, too: taken for people, they would be divided anew."""

_NAMED_AT_MOST = 3


_NO_PEOPLE = "if these folders are no people: --split-by file, or --group PATTERN"


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How a user says which pictures belong together.

    Attributes:
        split_by: ``folder``: those of one person, who is a folder; ``file``: each stands for itself.
        group: A regular expression for the names instead, whose first group is who is on it; empty for none.
        table: The path of a CSV file that says it instead; empty for none.
        split_folders: ``ignore`` takes folders called as splits for folders like any others.
        otherwise: What else a user may do about folders that are no whole split.
    """

    split_by: SplitBy = "folder"
    group: str = ""
    table: str = ""
    split_folders: SplitFolders = "respect"
    otherwise: str = "or pass --split-folders ignore: they are folders like any others then"

    def __post_init__(self) -> None:
        if self.group and self.split_by == "file":
            raise ConfigError("--group says which images belong together, and --split-by file that none do; give one")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the names of pictures say.

    Attributes:
        groups: What must not be divided between splits, of each picture.
        splits: Of each picture.
        folders: In how many folders they lie.
        people: How many groups there are; None where each picture stands for itself.
        split_from: What gives the split, in words.
        below: The folder that holds all and was passed through, where people are folders in it; else empty.
        fakes: How many pictures lie in a folder that is called as fakes are.
    """

    groups: tuple[str, ...]
    splits: tuple[Split, ...]
    folders: int
    people: int | None
    split_from: str
    below: str = ""
    fakes: int = 0

    def describe(self) -> str:
        """What was recognised, in one line: ``144 images of 12 people in 48 folders; split given by train/ ...``."""
        images, folders = counted(len(self.groups), "image"), counted(self.folders, "folder")
        who = f" of {counted(self.people, 'person', 'people')}" if self.people is not None else ", each by itself,"
        who += f" (folders in {self.below}/)" if self.below else ""
        sizes = ", ".join(f"{self.splits.count(split)} {split}" for split in SPLITS)
        return f"{images}{who} in {folders}; split {self.split_from}: {sizes}"

    def warnings(self) -> list[str]:
        """Why figures with these images as reals would say nothing, a line each; none where they may say something."""
        tested = [group for group, split in zip(self.groups, self.splits, strict=True) if split == "test"]
        lines = doubt_of_test(len(tested), None if self.people is None else len(set(tested)))
        if self.fakes:
            lie = counted(self.fakes, "image lies", "images lie")
            lines.append(f"{lie} in a folder that is called as fakes are, and all are taken for reals")
        return [f"warning: {line}" for line in lines]


FEWEST_TESTED = 8
"""Below so many photographs in test, figures jump by more than a tenth with each of them."""


def doubt_of_test(photographs: int, people: int | None) -> list[str]:
    """Why figures on a test would say nothing.

    Args:
        photographs: How many there are.
        people: On how many people; None where that is not known.
    """
    if photographs < FEWEST_TESTED:
        return [f"test has {counted(photographs, 'real photograph')}: figures on so few say nothing"]
    if people == 1:
        return ["test shows one person: figures say nothing about anybody else"]
    return []


def split_named(folder: str) -> Split | None:
    """Of which split a folder is by its name, in whatever case; ``valid`` and ``validation`` are val."""
    return _FOLDERS.get(folder.lower())


def has_split_folder(name: str) -> bool:
    """Whether one of the folders in a picture's name is called as a split."""
    return any(split_named(folder) for folder in name.split("/")[:-1])


def given_splits(names: Sequence[str]) -> list[Split | None]:
    """The split that folders give each picture; None of one that lies beside such folders.

    Args:
        names: Below a folder, with forward slashes.
    """
    depth = _depth(names)
    return [_split_at(name, depth) for name in names]


def given_people(names: Sequence[str]) -> list[str]:
    """The folder that is a person, of each picture; of one that lies in none, the folder that it lies in.

    Args:
        names: Below a folder, with forward slashes.
    """
    depth = _depth(names)
    below = [depth + 1 if _split_at(name, depth) else depth for name in names]
    return [_upto(name, at) if _person(name, at) else _parent(name) for name, at in zip(names, below, strict=True)]


def below_splits(names: Sequence[str]) -> list[str]:
    """The names of pictures without the folders of their split and those above it."""
    depth = _depth(names)
    return ["/".join(name.split("/")[depth + 1 :]) if _split_at(name, depth) else name for name in names]


def assign_splits(groups: Iterable[str]) -> dict[str, Split]:
    """Divides groups 70 / 10 / 20 into train, val and test, by the hash of their names.

    It takes no seed, on purpose: pretrained weights must never have seen the people of val and test.

    Args:
        groups: At least three names.

    Raises:
        DataError: Fewer than three groups.
    """
    order = _by_hash(groups)
    if len(order) < len(SPLITS):
        raise DataError(
            f"{counted(len(order), 'group')} cannot be split into train, val and test: give at least 3 folders, or use "
            "--split-by file, or --group PATTERN"
        )
    val = max(1, round(len(order) * SPLIT_SHARES["val"]))
    test = max(1, round(len(order) * SPLIT_SHARES["test"]))
    train = len(order) - val - test
    return {
        group: "train" if index < train else "val" if index < train + val else "test"
        for index, group in enumerate(order)
    }


def read_layout(
    names: Sequence[str],
    grouping: Grouping,
    *,
    who: Sequence[str] | None = None,
    listed: Sequence[Split] | None = None,
    listed_by: str = "",
) -> Layout:
    """Reads who is on pictures and their split.

    Args:
        names: Below their folder, with forward slashes; at least one.
        grouping: How; its pattern and its table are not asked here.
        who: Who is on each, where names need not be asked; ``split_by`` says nothing then.
        listed: The split of each, where folders need not be asked.
        listed_by: What says so, for people.

    Raises:
        DataError: Folders called as splits that are no whole split, somebody in two splits, or too few groups.
    """
    depth, split_by, split_folders = _depth(names), grouping.split_by, grouping.split_folders
    by_folder = [_split_at(name, depth) for name in names]
    # One folder alone may be a person called Val.
    are_splits = all(by_folder) or len({split for split in by_folder if split}) > 1
    below = [depth + 1 if split and are_splits else depth for split in by_folder]
    given: Sequence[Split | None] | None = listed
    if listed is None and split_folders == "respect" and any(by_folder):
        given = by_folder
        _check_whole(names, by_folder, depth, grouping.otherwise)
        listed_by = " ".join(sorted({f"{name.split('/')[depth]}/" for name in names}))
    elif listed is None and split_folders == "respect":
        _check_none_deeper(names, depth, grouping.otherwise)
    if listed is None and split_folders == "respect":
        _check_called_so(names, depth, grouping.otherwise)
    people = list(who or ())
    if who is None:
        people = [_person(name, at) if split_by == "folder" else "" for name, at in zip(names, below, strict=True)]
    if listed is not None and (missing := [split for split in ("train", "test") if split not in listed]):
        raise DataError(f"{listed_by} gives no image to {' and '.join(missing)}: a split needs train and test")
    if split_by == "folder" or who is not None:
        _check_spelling(people)
    if given is not None:
        _check_apart(people, given, mend=_NO_PEOPLE if who is None else f"mend {listed_by or 'the folders'}")
    if who is not None:
        groups = people
    elif split_by == "file":
        groups = list(names)
    elif given is by_folder:  # the split's folder stays in their names: results that were kept know them so
        groups = [_upto(name, depth + 1) if person else name for name, person in zip(names, people, strict=True)]
    else:
        each = given is not None or all(by_folder)
        groups = [
            "/".join((*name.split("/")[:depth], person)) if person else name if each else _parent(name)
            for name, person in zip(names, people, strict=True)
        ]
    if given is None:
        if any(people) and all(_FAKES.fullmatch(one) or _REALS.fullmatch(one) for one in people):
            raise DataError(
                f"{_some([f'{one}/' for one in dict.fromkeys(people)])} seem to be reals and fakes: give the folder of "
                "the reals alone, or --table with a column label"
            )
        split_of = assign_splits(groups)
        splits, split_from = [split_of[group] for group in groups], "by the hash of names"
    else:
        splits, drawn = _with_val(groups, given)
        split_from = f"given by {listed_by}{', val drawn from train by the hash of names' if drawn else ''}"
    return Layout(
        groups=tuple(groups),
        splits=tuple(splits),
        folders=len({_parent(name) for name in names}),
        people=len(set(groups)) if any(people) else None,
        split_from=split_from,
        below="/".join(names[0].split("/")[:depth]) if who is None and any(people) else "",
        fakes=sum(any(_FAKES.fullmatch(folder) for folder in name.split("/")[:-1]) for name in names),
    )


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: ``1 image``, ``2 images``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _by_hash(groups: Iterable[str]) -> list[str]:
    return sorted(set(groups), key=lambda group: hashlib.sha256(f"split:{group}".encode()).hexdigest())


def _depth(names: Sequence[str]) -> int:
    """How many folders all pictures lie in, less those from a split's on: such folders tell nobody apart."""
    paths = [name.split("/")[:-1] for name in names]
    depth = 0
    while all(len(path) > depth and path[depth] == paths[0][depth] for path in paths):
        if not paths or split_named(paths[0][depth]):
            break
        depth += 1
    return depth


def _split_at(name: str, depth: int) -> Split | None:
    path = name.split("/")[:-1]
    return split_named(path[depth]) if len(path) > depth else None


def _person(name: str, below: int) -> str:
    path = name.split("/")[:-1]
    return path[below] if len(path) > below else ""


def _upto(name: str, below: int) -> str:
    return "/".join(name.split("/")[: below + 1])


def _parent(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _check_whole(names: Sequence[str], splits: Sequence[Split | None], depth: int, otherwise: str) -> None:
    """Refuses folders of splits that are none of all pictures, or have none for train or test."""
    folders = sorted({name.split("/")[depth] for name, split in zip(names, splits, strict=True) if split})
    found = " ".join(f"{folder}/" for folder in folders)
    if beside := [name for name, split in zip(names, splits, strict=True) if not split]:
        raise DataError(
            f"{counted(len(beside), 'image lies', 'images lie')} beside {found} ({_some(beside)}): move them into one "
            f"of these or out of the folder, {otherwise}"
        )
    if missing := [split for split in ("train", "test") if split not in splits]:
        raise DataError(
            f"there is {found} and no image in {'/ or '.join(missing)}/: a split needs train and test; add it, give a "
            f"folder alone, as FOLDER/{'/'.join((*names[0].split('/')[:depth], folders[0]))}, {otherwise}"
        )


def _check_none_deeper(names: Sequence[str], depth: int, otherwise: str) -> None:
    """Refuses folders of splits that lie where none is looked for."""
    deeper: dict[int, dict[Split, str]] = defaultdict(dict)
    for name in names:
        for level, folder in enumerate(name.split("/")[:-1]):
            if level > depth and (split := split_named(folder)):
                deeper[level].setdefault(split, _upto(name, level))
    if found := next((by_split for by_split in deeper.values() if len(by_split) > 1), None):
        raise DataError(
            f"there are folders of splits below others ({_some([f'{folder}/' for folder in found.values()])}): they "
            f"are looked for at the top; give one of the folders above them, {otherwise}"
        )


def _check_called_so(names: Sequence[str], depth: int, otherwise: str) -> None:
    """Refuses folders that are called nearly as splits are: ``training_set`` and ``test_set``."""
    firsts = dict.fromkeys(name.split("/")[depth] for name in names if name.count("/") > depth)
    nearly = {folder: found[1].lower()[:2] for folder in firsts if (found := _NEARLY.fullmatch(folder))}
    if len(set(nearly.values())) > 1:
        raise DataError(
            f"{_some([f'{folder}/' for folder in nearly])} seem to be a split and are not called as one: call them "
            f"train/, val/ and test/, {otherwise}"
        )


def _check_spelling(people: Sequence[str]) -> None:
    """Refuses two spellings that may be one person: in other case, or with letters composed in another way."""
    spelt: dict[str, str] = {}
    for person in people:
        before = spelt.setdefault(unicodedata.normalize("NFKC", person).casefold(), person)
        if before != person:
            composed = unicodedata.normalize("NFC", before) == unicodedata.normalize("NFC", person)
            how = "with letters composed in another way" if composed else "in another case"
            raise DataError(
                f"'{before}' and '{person}' may be one person, spelt {how}, and would be two: give them one name, or "
                "names that differ in more"
            )


def _check_apart(people: Sequence[str], splits: Sequence[Split | None], *, mend: str) -> None:
    """Refuses somebody who is in two splits."""
    seen: dict[str, set[str]] = defaultdict(set)
    for person, split in zip(people, splits, strict=True):
        if person and split:
            seen[person].add(split)
    if both := [person for person, of in sorted(seen.items()) if len(of) > 1]:
        first = " and ".join(split for split in SPLITS if split in seen[both[0]])
        others = f", and {len(both) - 1} more like this" if len(both) > 1 else ""
        if all(_FAKES.fullmatch(person) or _REALS.fullmatch(person) for person in both):
            mend = "if they are reals and fakes, give the reals alone: their folder, or --table with a column label"
        raise DataError(
            f"'{both[0]}' is in {first}{others}: a detector would be tested on people it was trained on. Move each "
            f"into one split; {mend}"
        )


def _with_val(groups: Sequence[str], given: Sequence[Split | None]) -> tuple[list[Split], bool]:
    """A split that was given, with a val that is drawn from train where it has none."""
    splits = [split for split in given if split is not None]
    if "val" in splits:
        return splits, False
    order = _by_hash(group for group, split in zip(groups, splits, strict=True) if split == "train")
    if len(order) < 2:
        raise DataError(
            f"train holds {counted(len(order), 'group')}, too few to draw val from: add a folder val/, or people to "
            "train/"
        )
    many = max(1, round(len(order) * SPLIT_SHARES["val"] / (SPLIT_SHARES["train"] + SPLIT_SHARES["val"])))
    drawn = set(order[-many:])
    return ["val" if group in drawn else split for group, split in zip(groups, splits, strict=True)], True


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


__all__ = [
    "FEWEST_TESTED",
    "SPLITS",
    "SPLIT_SHARES",
    "Grouping",
    "Layout",
    "Split",
    "SplitBy",
    "SplitFolders",
    "assign_splits",
    "below_splits",
    "counted",
    "doubt_of_test",
    "given_people",
    "given_splits",
    "has_split_folder",
    "read_layout",
    "split_named",
]
