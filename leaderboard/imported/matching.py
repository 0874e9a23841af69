"""Which image of a home a row of foreign scores is about: by the name that its export has, or by content."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.imported.table import Row
from fakeoff.protocols.measures.tournament import TournamentRecord

_EXPORTED = re.compile(rf"(?:^|/)([^/]+)/({'|'.join(SPLITS)})/(?:\2)-(\d{{5,}})\.png$")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}$")


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """An image of a home.

    Attributes:
        pool: As its export is called: ``real``, ``pgan@1``.
        split: ``train``, ``val`` or ``test``.
        index: In the pool.
    """

    pool: str
    split: Split
    index: int


class Images:
    """All images of a home, which :func:`fakeoff.leaderboard.play.export_pools` writes.

    Args:
        record: What was played there.
        store: Where the images are.
        home: Where it was played, for messages.
    """

    def __init__(self, record: TournamentRecord, store: Store, *, home: Home) -> None:
        self._record, self._store, self._home = record, store, home
        self._read: dict[tuple[str, Split], Pixels] = {}

    def pixels(self, pool: str, split: Split) -> Pixels:
        """The images of a pool, uint8 ``(n, h, w, 3)``."""
        if (pool, split) not in self._read:
            self._read[pool, split] = self._store.read(self._record.pools[pool][split]).arrays["images"]
        return self._read[pool, split]

    def places(self, row: Row, *, folder: Path) -> tuple[Place, ...]:
        """The images that a row is about: one, or several where they are the same, pixel by pixel.

        Args:
            row: It names a file by the path that its export has, any other file that is there, or the sha256 of an
                exported file.
            folder: What paths are relative to.

        Raises:
            DataError: No image of this home, or a file that has the name of one and other pixels.
        """
        name = row.image.replace("\\", "/")
        file = Path(row.image) if Path(row.image).is_absolute() else folder / row.image
        named = self._named(name)
        if named is not None:
            if file.is_file() and not np.array_equal(_pixels(file), self.pixels(named.pool, named.split)[named.index]):
                raise DataError(
                    f"line {row.line}: '{row.image}' is another picture than {named.pool}/{named.split} has there; it "
                    f"was exported from another home than {self._home.words}"
                )
            return (named,)
        if _SHA256.match(name):
            return self._found(self._by_file.get(name.lower(), ()), row)
        if file.is_file():
            return self._found(self._by_pixels.get(_pixel_hash(_pixels(file)), ()), row)
        return self._found((), row)

    def _named(self, name: str) -> Place | None:
        match = _EXPORTED.search(name)
        if match is None:
            return None
        pool, split, index = match[1], next(one for one in SPLITS if one == match[2]), int(match[3])
        if pool not in self._record.pools or index >= len(self.pixels(pool, split)):
            return None
        return Place(pool=pool, split=split, index=index)

    def _found(self, places: Sequence[Place], row: Row) -> tuple[Place, ...]:
        if not places:
            raise DataError(
                f"line {row.line}: '{row.image}' is no image of this home; name files as they are exported, such as "
                f"pgan@1/test/test-00000.png, with: fakeoff export FOLDER {self._home.options}"
            )
        return tuple(places)

    @cached_property
    def _by_pixels(self) -> dict[str, list[Place]]:
        return self._index(_pixel_hash)

    @cached_property
    def _by_file(self) -> dict[str, list[Place]]:
        return self._index(_file_hash)

    def _index(self, hash_of: Callable[[Pixels], str]) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for pool, splits in self._record.pools.items():
            for split in (one for one in SPLITS if one in splits):
                for index, image in enumerate(self.pixels(pool, split)):
                    found.setdefault(hash_of(image), []).append(Place(pool=pool, split=split, index=index))
        return found


def _pixels(file: Path) -> npt.NDArray[np.uint8]:
    try:
        return np.asarray(read_image(file).convert("RGB"))
    except (UnidentifiedImageError, DataError) as error:
        raise DataError(f"'{file}' cannot be read as a picture: {error}; export it again") from error


def _pixel_hash(image: Pixels) -> str:
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _file_hash(image: Pixels) -> str:
    written = io.BytesIO()
    Image.fromarray(image).save(written, format="PNG")  # as an export does
    return hashlib.sha256(written.getvalue()).hexdigest()


__all__ = ["Images", "Place"]
