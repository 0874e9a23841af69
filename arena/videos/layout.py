"""Where the published collections keep their videos, and what a file's name says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fakeoff.arena.errors import DataError, suggestion
from fakeoff.arena.images.reals import SPLITS, Split

Kind: TypeAlias = Literal["faceforensics", "celeb-df", "dfdc"]

ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
_COMPRESSIONS = ("raw", "c23", "c40")
_ACTORS = re.compile(r"(?P<target>\d+)_(?P<source>\d+)__(?P<scene>.+?)(?:__[A-Z0-9]{8})?")
_PAIR = re.compile(r"(?P<target>\d+)_(?P<source>\d+)")
_CELEB = re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<clip>\d+)")
_LARGEST_LIST = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video file.

    Attributes:
        path: The file.
        name: Its name without ending; with the compression where several are read.
        method: That made it; empty of an original.
        people: Whose face, expression or body is in it.
        original: The ``name`` of the video that was manipulated; its own of an original.
        mask: The video of what was changed, where there is one.
        split: Of a published list; None where it names none.
        compression: Of FaceForensics++; empty elsewhere.
    """

    path: Path
    name: str
    method: str
    people: tuple[str, ...]
    original: str
    mask: Path | None = None
    split: Split | None = None
    compression: str = ""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The videos of a folder.

    Attributes:
        kind: How the folder is laid out.
        originals: By name.
        manipulations: By the name of their original; sorted by method and name.
        others: The same of methods that were not asked for.
        compressions: That were read, sorted; FaceForensics++ only.
        problems: What was found and cannot be used, one line each.
        remarks: What a user should know of the collection's own split.
    """

    kind: Kind
    originals: Mapping[str, Video]
    manipulations: Mapping[str, tuple[Video, ...]]
    others: Mapping[str, tuple[Video, ...]] = field(default_factory=dict)
    compressions: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """What made the manipulations, sorted."""
        return tuple(sorted({video.method for videos in self.manipulations.values() for video in videos}))


def read_collection(
    root: Path, kind: Kind, *, compressions: Sequence[str] = (), methods: Sequence[str] = ()
) -> Collection:
    """Lists the videos of a folder; none is opened.

    Args:
        root: The folder.
        kind: How it is laid out: ``faceforensics`` (Roessler et al., ICCV 2019, and the actors of DeepFakeDetection),
            ``celeb-df`` (Li et al., CVPR 2020) or ``dfdc`` (Dolhansky et al. 2020, one ``metadata.json`` a folder).
        compressions: FaceForensics++ only: ``raw``, ``c23`` or ``c40``. None takes the one that is there.
        methods: Which manipulations; all by default.

    Raises:
        DataError: No such folder or no video of an original in it, several compressions of which none was chosen, or a
            method that is not there.
    """
    if not root.is_dir():
        raise DataError(f"no folder of videos at '{root}'")
    every, remarks = _READERS[kind](root, tuple(compressions))
    listed, problems = _of_one_name(every, root)
    originals = {video.name: video for video in listed if not video.method}
    if not originals:
        raise DataError(f"no original video in '{root}'; {_EXPECTED[kind]}")
    found = sorted({video.method for video in listed if video.method})
    for method in methods:
        if method not in found:
            hint = suggestion(method, found) or "."
            raise DataError(f"no videos of '{method}' in '{root}'{hint} There are: {', '.join(found) or 'none'}")
    manipulations: dict[str, tuple[Video, ...]] = {}
    others: dict[str, tuple[Video, ...]] = {}
    for video in sorted(listed, key=lambda video: (video.method, video.name)):
        if not video.method:
            continue
        asked = not methods or video.method in methods
        if video.original in originals:
            place = manipulations if asked else others
            place[video.original] = (*place.get(video.original, ()), video)
        elif asked:
            problems.append(f"{video.method} {video.name}: its original '{video.original}' is not there")
    return Collection(
        kind=kind,
        originals=dict(sorted(originals.items())),
        manipulations=manipulations,
        others=others,
        compressions=tuple(sorted({video.compression for video in listed} - {""})),
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def _of_one_name(videos: Sequence[Video], root: Path) -> tuple[list[Video], list[str]]:
    """One video for each name, and what is said of the others: their images would be written over each other."""
    chosen: dict[tuple[str, str], Video] = {}
    problems = []
    for video in sorted(videos, key=lambda video: ENDINGS.index(video.path.suffix.lower())):
        taken = chosen.setdefault((video.method, video.name), video)
        if taken is not video:
            one, other = (each.path.relative_to(root) for each in (video, taken))
            problems.append(f"'{one}': '{other}' has the same name, and is taken; rename or remove one of them")
    return list(chosen.values()), sorted(problems)


def read_json(path: Path) -> Any:
    """A small JSON file.

    Raises:
        DataError: It cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise DataError(f"'{path.name}' is larger than 64 MB: a list of videos is not")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"'{path.name}' cannot be read as JSON: {error}") from error


def _faceforensics(root: Path, compressions: tuple[str, ...]) -> tuple[list[Video], list[str]]:
    places = [
        (folder, method.name if side.name == "manipulated_sequences" else "", folder.name)
        for side in (root / "original_sequences", root / "manipulated_sequences")
        if side.is_dir()
        for method in sorted(side.iterdir(), reverse=True)  # youtube before actors: most fakes are of the former
        if method.is_dir()
        for folder in sorted(method.iterdir())
        if folder.name in _COMPRESSIONS and (folder / "videos").is_dir()
    ]
    there = sorted({compression for _, _, compression in places})
    for compression in compressions:
        if compression not in there:
            raise DataError(f"no videos of compression '{compression}' in '{root}'. There are: {', '.join(there)}")
    if not compressions and len(there) > 1:
        raise DataError(
            f"'{root}' has videos of {' and '.join(there)}: a detector would learn to tell compressions apart; choose "
            f"one: --compression {there[0]}"
        )
    wanted = compressions or tuple(there)
    videos = []
    for folder, method, compression in places:
        if compression in wanted:
            suffix = f"-{compression}" if len(wanted) > 1 else ""
            masks = {path.stem: path for path in _videos(folder.parent / "masks" / "videos")} if method else {}
            for path in _videos(folder / "videos"):
                target, people = _faceforensics_names(path.stem, method)
                videos.append(
                    Video(
                        path=path,
                        name=path.stem + suffix,
                        method=method,
                        people=people,
                        original=target + suffix,
                        mask=masks.get(path.stem),
                        compression=compression,
                    )
                )
    return videos, []


def _faceforensics_names(stem: str, method: str) -> tuple[str, tuple[str, ...]]:
    """The original's name and the people of a video."""
    if not method:
        return stem, (stem.partition("__")[0],)
    if actors := _ACTORS.fullmatch(stem):
        return f"{actors['target']}__{actors['scene']}", (actors["target"], actors["source"])
    if pair := _PAIR.fullmatch(stem):
        return pair["target"], (pair["target"], pair["source"])
    return stem, (stem,)


def _celeb_df(root: Path, compressions: tuple[str, ...]) -> tuple[list[Video], list[str]]:
    _no_compressions(compressions)
    listed = root / "List_of_testing_videos.txt"
    tested: set[str] = set()
    if listed.is_file() and listed.stat().st_size <= _LARGEST_LIST:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        tested = {line.split()[-1] for line in lines if len(line.split()) == 2}
    videos = []
    for folder in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        for path in _videos(root / folder):
            swapped = _CELEB.fullmatch(path.stem) if folder == "Celeb-synthesis" else None
            person = path.stem.partition("_")[0] if folder == "Celeb-real" else path.stem
            split: Split | None = "test" if f"{folder}/{path.name}" in tested else None
            if folder == "Celeb-synthesis" and swapped is None:
                continue
            videos.append(
                Video(
                    path=path,
                    name=path.stem,
                    method="Celeb-synthesis" if swapped else "",
                    people=(swapped["target"], swapped["source"]) if swapped else (person,),
                    original=f"{swapped['target']}_{swapped['clip']}" if swapped else path.stem,
                    split=split,
                )
            )
    remarks = []
    if tested:
        remarks.append(
            "List_of_testing_videos.txt says what is test; people of test are in train, too, because the list has it so"
        )
    return videos, remarks


def _dfdc(root: Path, compressions: tuple[str, ...]) -> tuple[list[Video], list[str]]:
    _no_compressions(compressions)
    videos = []
    for listed in sorted({root / "metadata.json", *root.glob("*/metadata.json")}):
        if not listed.is_file():
            continue
        entries = read_json(listed)
        if not isinstance(entries, dict):
            raise DataError(f"'{listed.relative_to(root)}' is no metadata of DFDC: it holds no names of videos")
        for name, entry in sorted(entries.items()):
            path = listed.parent / name
            if not isinstance(entry, dict) or path.parent != listed.parent or not _may_be_video(path):
                continue
            fake = entry.get("label") == "FAKE"
            original = Path(str(entry.get("original") or name)).stem if fake else path.stem
            split = entry.get("split")
            videos.append(
                Video(
                    path=path,
                    name=path.stem,
                    method="DFDC" if fake else "",
                    people=(original,),
                    original=original,
                    split=split if split in SPLITS else None,
                )
            )
    if {video.split for video in videos} == {"train"}:  # what the training part says of itself is no split
        videos = [Video(**{**vars(video), "split": None}) for video in videos]
    return videos, ["DFDC does not say who is in a video: a person may be in several splits"]


def _no_compressions(compressions: tuple[str, ...]) -> None:
    if compressions:
        raise DataError("--compression is of FaceForensics++ alone")


def _videos(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if _may_be_video(path))


def _may_be_video(path: Path) -> bool:
    """By its name; what begins with a dot is what a system keeps beside the files, such as ``._000.mp4``."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


_READERS: Mapping[Kind, Callable[[Path, tuple[str, ...]], tuple[list[Video], list[str]]]] = {
    "faceforensics": _faceforensics,
    "celeb-df": _celeb_df,
    "dfdc": _dfdc,
}

KINDS: tuple[Kind, ...] = tuple(_READERS)

_EXPECTED: Mapping[Kind, str] = {
    "faceforensics": "give the folder that has original_sequences/youtube/c23/videos/000.mp4 in it",
    "celeb-df": "give the folder that has Celeb-real/id0_0000.mp4 in it",
    "dfdc": "give the folder that has metadata.json, or dfdc_train_part_0/metadata.json, in it",
}
