"""Rows of scored pictures, and files of them that are continued."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.jobs import Result
from fakeoff.leaderboard.scoring.continued import RowFile
from fakeoff.leaderboard.scoring.heatmaps import heatmap_path
from fakeoff.leaderboard.scoring.rows import Form, header, parse_row, row_bytes
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.scoring.judges import Judge
from fakeoff.protocols.scoring.scored import COLUMNS, Scored, ScoredPicture

FORMS: tuple[Form, Form] = ("csv", "json")


def judge(label: str, threshold: float = 0.5) -> Judge:
    player, _, round_ = label.partition("@")
    version = Version(kind="detector", player=player, round=int(round_), key="k")
    return Judge(version=version, threshold=threshold, identity=None, state=Result(record={}))  # type: ignore[arg-type]


JUDGES = (judge("one@0", 1 / 3), judge("two@1"))


def scored(name: str, judges: Sequence[Judge] = JUDGES, **given: Any) -> Scored:
    shown = {"p_fake": 0.25, "verdict": "real", "width": 3, "height": 4, "how": "crop", **given}
    return Scored(
        rows=tuple(
            ScoredPicture(picture=name, detector=each.version.label, threshold=each.threshold, **shown)
            for each in judges
        )
    )


def write(path: Path, *names: str, form: Form = "csv", judges: Sequence[Judge] = JUDGES, **given: Any) -> list[str]:
    """Writes rows as a call does; the names of pictures whose rows were there."""
    there: list[str] = []
    with RowFile(
        path, form=form, judges=judges, framing="crop", side=16, earlier=lambda rows: there.append(rows[0].picture)
    ) as file:
        for name in names:
            if not file.knows(name):
                file.write(scored(name, judges, **given))
    return there


STRANGE = ("plain.png", 'a,"b".png', "two\nlines.png", "\udcff.png", "ö.png", "=1+1.png")


@pytest.mark.parametrize("form", FORMS)
def test_a_row_comes_back_as_it_was(form: Form) -> None:
    full = {"p_fake": float(np.float32(0.1)), "p_fake_max": 0.2, "verdict": "fake", "width": 7, "height": 8}
    rows = [
        ScoredPicture(picture=name, detector="d@0", threshold=0.5, how="tiles", tiles=3, **full)  # type: ignore[arg-type]
        for name in STRANGE
    ] + [ScoredPicture(picture="x", detector="d@0", threshold=0.125, error="damaged: a, b")]
    text = (header(form) + b"".join(row_bytes(one, form) for one in rows)).decode(errors="surrogateescape")
    values = csv.DictReader(io.StringIO(text, newline="")) if form == "csv" else map(json.loads, text.splitlines())
    back = [parse_row(form, each) for each in values]
    assert back == rows


def test_text_for_people_moves_no_cursor() -> None:
    line = row_bytes(scored("a\x1b[2J\nb.png").rows[0], "text", detector_width=6).decode()
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert r"a\x1b[2J\nb.png" in line


@pytest.mark.parametrize("form", FORMS)
def test_interrupted_anywhere_and_continued_it_is_the_same_file(form: Form, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert write(whole, *STRANGE, form=form) == []
    text = whole.read_bytes()
    torn = tmp_path / "torn"
    for cut in range(0, len(text) + 1, 23):
        torn.write_bytes(text[:cut])
        there = write(torn, *STRANGE, form=form)
        assert torn.read_bytes() == text, cut
        assert there == list(STRANGE[: len(there)])
    assert len(there) >= len(STRANGE) - 1
    assert write(whole, *STRANGE, form=form) == list(STRANGE)


def test_a_picture_that_was_given_twice_has_two_rows_however_often_it_is_continued(tmp_path: Path) -> None:
    names = ("a.png", "b.png", "a.png")
    write(tmp_path / "rows.csv", *names[:1])
    write(tmp_path / "rows.csv", *names)
    write(tmp_path / "rows.csv", *names)
    found = [line.split(",")[0] for line in (tmp_path / "rows.csv").read_text().splitlines()[1::2]]
    assert found == list(names)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text", ["somebody's\nnotes\n", "no line break", "picture,p_fake\na,1\n", '{"a": 1}\n', "[1]\n", "\x00" * 3000]
)
def test_somebody_elses_file_is_left_as_it_was(text: str, form: Form, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"'.*notes' cannot be continued: .*; give another --out, or remove it"):
        write(path, "a.png", form=form)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("judges", "expected"),
    [
        ((judge("one@1"), JUDGES[1]), "it holds rows of one@0, and now it is one@1's turn"),
        (JUDGES[:1], "it holds rows of two@1, and now it is one@0's turn"),
        ((judge("one@0", 0.4), JUDGES[1]), "one@0 was played anew since: it has another threshold"),
    ],
)
def test_rows_of_another_call_are_not_continued(judges: Sequence[Judge], expected: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write(path, "a.png", "b.png")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=expected):
        write(path, "c.png", judges=judges)
    assert path.read_bytes() == before


def test_rows_of_other_weights_of_the_same_threshold_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write(path, "a.png")
    before = path.read_bytes()
    other = replace(JUDGES[0], state=Result(record={}, arrays={"weight": np.ones(2, dtype=np.float32)}))
    with pytest.raises(ConfigError, match="one@0 was played anew since: it has other weights or parameters"):
        write(path, "b.png", judges=(other, JUDGES[1]))
    assert path.read_bytes() == before
    (tmp_path / "rows-detectors.json").write_text("{")
    with pytest.raises(ConfigError, match=r"'rows-detectors.json' beside it, which says who judged, cannot be read"):
        write(path, "b.png")
    (tmp_path / "rows-detectors.json").unlink()  # rows of an earlier release
    assert write(path, "b.png") == ["a.png"]
    assert (tmp_path / "rows-detectors.json").is_file()


def test_rows_of_another_size_are_not_continued_and_a_row_must_be_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write(path, "a.png", how="whole")
    with pytest.raises(ConfigError, match="judged with --size whole, and now it is crop"):
        write(path, "a.png")
    for damage in (",".join("x" * len(COLUMNS)), "a,b", '"a"x,1'):
        path.write_bytes(header("csv") + damage.encode() + b"\n")
        with pytest.raises(ConfigError, match="line 2 is no such row"):
            write(path, "a.png")


def test_two_calls_do_not_write_one_file_and_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.csv"
    with (
        RowFile(path, form="csv", judges=JUDGES, framing="crop", side=16, earlier=lambda rows: None),
        pytest.raises(ConfigError, match="another fakeoff writes"),
    ):
        write(path, "a.png")
    with pytest.raises(ConfigError, match=r"cannot be written: (File exists|Not a directory)"):
        write(path / "below" / "rows.csv", "a.png")


def test_heatmaps_of_no_two_pictures_share_a_file_and_none_leaves_the_folder(tmp_path: Path) -> None:
    names = ("a/x.png", "b/x.png", "../../x.png", "/x.png", "x.jpg", "..", "", "\udcff.png", "y" * 300, "x.png")
    paths = {heatmap_path(tmp_path, name, detector) for name in names for detector in ("d@0", "d@1", "../d@0")}
    assert len(paths) == 3 * len(names)
    for path in paths:
        assert path.parent == tmp_path
        assert path.name.isascii()
        assert len(path.name) < 200
        path.write_bytes(b"")
