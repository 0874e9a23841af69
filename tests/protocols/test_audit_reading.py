"""Files are read on many cores, and the report is the same."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.images.looking import in_order
from fakeoff.protocols.forensics.audit import audit_folders
from fakeoff.protocols.forensics.reading import Nobody


class Counting(Nobody):
    def __init__(self) -> None:
        self.told: list[str] = []

    def found(self, files: int) -> None:
        self.told.append(f"found {files}")

    def read(self) -> None:
        self.told.append("read")

    def measuring(self) -> None:
        self.told.append("measuring")


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of 24 pictures in several formats, one with files that are none."""
    rng = np.random.default_rng(0)
    for side, formats in (("real", ("png", "jpg")), ("fake", ("png", "webp", "bmp"))):
        (tmp_path / side / "some").mkdir(parents=True)
        for index in range(24):
            path = (
                tmp_path / side / ("some" if index % 5 == 0 else ".") / f"{index:02d}.{formats[index % len(formats)]}"
            )
            Image.fromarray(rng.integers(0, 256, (48, 40 + index % 3, 3), dtype=np.uint8)).save(path)
    whole = (tmp_path / "real" / "02.png").read_bytes()
    (tmp_path / "real" / "03-cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "real" / "04-link.png").symlink_to(tmp_path / "real" / "02.png")
    (tmp_path / "real" / "05-notes.txt").write_text("no image")
    return tmp_path / "real", tmp_path / "fake"


def test_the_report_is_the_same_to_the_byte_on_one_core_and_on_many(sides: tuple[Path, Path]) -> None:
    reports = [audit_folders(*sides, workers=workers) for workers in (1, 2, 7)]
    texts = {json.dumps(dataclasses.asdict(report)) for report in reports}
    assert len(texts) == 1
    assert [file.name for file in reports[0].real.left_out] == ["03-cut.png", "04-link.png", "05-notes.txt"]


def test_whoever_watches_is_told_of_each_file(sides: tuple[Path, Path]) -> None:
    watch = Counting()
    audit_folders(*sides, watch=watch)
    assert watch.told == ["found 27", *["read"] * 27, "found 24", *["read"] * 24, "measuring"]


def test_a_few_are_taken_ahead_and_no_more() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(100):
            taken += 1
            yield item

    seen = in_order(lambda item: item**2, items(), workers=3)
    assert next(seen) == 0
    assert taken <= 6
    assert list(seen) == [item**2 for item in range(1, 100)]


def test_a_failure_comes_to_whoever_waits_and_warnings_are_as_they_were() -> None:
    before = list(warnings.filters)
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // item, [1, 0, 1], workers=2))
    assert list(warnings.filters) == before
