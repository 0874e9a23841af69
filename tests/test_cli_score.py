"""`fakeoff score` at real files, as a user would call it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import fakeoff
from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import write_ledger
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.scoring.scored import COLUMNS

HERE = Path(__file__).parent
PLUGINS = tuple(HERE / name for name in ("toy_players.py", "bad_players.py"))
NAMES = ("toy_brightness", "toy_detector", "fixed_brightness", "patches_nan")

Call = Callable[..., Result]


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@pytest.fixture(scope="module")
def home(toys: Path, toy_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose detector of bright patches says of every picture how bright it is. Read it, do not write."""
    for path in PLUGINS:
        load_plugin_file(path)
    home = tmp_path_factory.mktemp("played")
    record = play_tournament(
        toy_config(rounds=0, detectors=[{"plugin": name} for name in NAMES], parts={"parser": ""}),
        source=open_source("orl"),
        store=Store(home / "store"),
        executor=SerialExecutor(),
        observer=Silent(),  # type: ignore[arg-type]
    )
    write_ledger(record, Home(home))
    return home


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with pictures from dark to bright, one of them in a folder below, and files that are no pictures."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name, level in {"a.png": 51, "b.png": 102, "sub/c.png": 204}.items():
        Image.fromarray(np.full((40, 30), level, dtype=np.uint8)).save(folder / name)
    (folder / "bad.png").write_text("no")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture
def call(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command in the folder of the pictures' folder, by default with the detector of bright patches."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, detector: str | None = "toy_brightness", given: bytes = b"", at: Path = home) -> Result:
        chosen = ("--detector", detector) if detector else ()
        return CliRunner().invoke(main, ("score", *arguments, *chosen, "--home", str(at)), input=given)

    return invoke


def rows(result: Result | Path) -> list[dict[str, str]]:
    text = result.read_text() if isinstance(result, Path) else result.stdout
    return list(csv.DictReader(io.StringIO(text)))


def one_line(result: Result) -> str:
    """The error of a refused command: one line, exit code 2, no traceback."""
    assert result.exit_code == 2, f"{result.output} {result.exception!r}"
    assert "Traceback" not in result.output
    assert result.stderr.startswith("fakeoff: ")
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def test_a_folder_is_a_row_each_under_a_header_the_damaged_too(call: Call, pictures: Path) -> None:
    result = call("pictures", "--csv")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == ",".join(COLUMNS)
    found = rows(result)
    names = ["pictures/a.png", "pictures/b.png", "pictures/bad.png", "pictures/sub/c.png"]
    assert [row["picture"] for row in found] == names
    assert [float(row["p_fake"] or -1) for row in found] == pytest.approx([0.2, 0.4, -1, 0.8], abs=1e-6)
    assert [row["error"] for row in found] == ["", "", "not an image, though its name says so", ""]
    for row in found[:2]:
        assert (row["width"], row["height"], row["how"], row["tiles"]) == ("30", "40", "crop", "")
        assert row["detector"] == "toy_brightness@0"
        assert row["verdict"] == ("fake" if float(row["p_fake"]) >= float(row["threshold"]) else "real")
    assert "1 file(s) in folders left out: their suffix is of no picture" in result.stderr
    assert "1 of 4 pictures could not be judged; their rows say why" in result.stderr


def test_for_people_there_are_columns_and_for_programs_json_lines(call: Call, pictures: Path) -> None:
    result = call("pictures/a.png", "pictures/bad.png")
    header, good, bad = result.stdout.splitlines()
    assert header.split() == ["P(fake)", "verdict", "detector", "pixels", "how", "picture"]
    assert good.split()[0] == "0.2000"
    assert good.split()[2:] == ["toy_brightness@0", "30x40", "crop", "pictures/a.png"]
    assert bad.endswith("pictures/bad.png: not an image, though its name says so")
    found = [json.loads(line) for line in call("pictures/a.png", "pictures/bad.png", "--json").stdout.splitlines()]
    assert [tuple(row) for row in found] == [COLUMNS] * 2
    assert found[0]["p_fake"] == pytest.approx(0.2, abs=1e-6)
    assert (found[1]["p_fake"], found[1]["tiles"], found[1]["error"]) == (
        None,
        None,
        "not an image, though its name says so",
    )


def test_all_are_the_newest_of_each_and_the_champion_is_the_default(call: Call, pictures: Path) -> None:
    able = [name for name in NAMES if name != "patches_nan"]
    result = call("pictures/a.png", "--csv", "--all", detector=None)
    if "patches_nan" in result.stderr:  # it was trained, and says NaN: nobody's rows are mixed up with that
        assert "NaN" in one_line(result)
    else:
        assert {row["detector"] for row in rows(result)} >= {f"{name}@0" for name in able}
    [row] = rows(call("pictures/a.png", "--csv", detector=None))
    assert row["detector"].partition("@")[0] in able
    assert rows(call("pictures/a.png", "--csv", detector="champion")) == [row]


def test_lists_are_read_from_the_standard_input(call: Call, pictures: Path) -> None:
    listed = call("-", "--csv", given=b"pictures/b.png\n\npictures/sub\n")
    assert [row["picture"] for row in rows(listed)] == ["pictures/b.png", "pictures/sub/c.png"]
    (pictures / "a.png").rename(pictures / "two\nlines.png")
    result = call("-", "-0", "--csv", given=b"pictures/two\nlines.png\0pictures/b.png")
    assert result.exit_code == 0, result.output
    assert [row["picture"] for row in rows(result)] == ["pictures/two\nlines.png", "pictures/b.png"]


def test_a_file_is_continued_and_what_has_rows_is_not_judged_again(
    call: Call, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("pictures", "--out", "whole.csv").exit_code == 1
    whole = Path("whole.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    Path("torn.csv").write_bytes(b"".join(lines[:3]) + lines[3][:9])
    (pictures / "a.png").unlink()  # its row is there, and so are those after it
    (pictures / "b.png").write_text("not judged again")
    result = call("pictures/a.png", "pictures", "--out", "torn.csv")
    assert Path("torn.csv").read_bytes() == whole
    assert result.exit_code == 1
    assert "2 of 4 pictures had rows already" in result.stderr
    assert "1 of 4 pictures could not be judged" in result.stderr
    assert "it holds rows of toy_brightness@0" in one_line(
        call("pictures", "--out", "whole.csv", detector="toy_detector")
    )
    assert "--size crop, and now it is tiles" in one_line(call("pictures", "--out", "whole.csv", "--size", "tiles"))
    assert Path("whole.csv").read_bytes() == whole


def test_labels_give_figures_and_a_diagram(call: Call, pictures: Path, tmp_path: Path) -> None:
    for folder, levels in {"real": range(20, 100, 10), "fake": range(90, 200, 10)}.items():
        (tmp_path / folder).mkdir()
        for level in levels:
            Image.fromarray(np.full((16, 16), level, dtype=np.uint8)).save(tmp_path / folder / f"{level}.png")
    result = call("--labels", "real/", "fake/", "--out", "rows.csv")
    assert result.exit_code == 0, result.output
    [figures] = json.loads(Path("rows-figures.json").read_text())
    assert (figures["unit"], figures["units"], figures["detector"]) == ("image", 19, "toy_brightness@0")
    assert 0.9 < figures["figures"]["auc"] < 1  # 90 is there on both sides
    low, high = figures["figures"]["ap_ci"]
    assert low < figures["figures"]["ap"] <= high
    assert "8 reals and 11 fakes" in result.stderr
    assert "since nobody says who is on them" in result.stderr
    with Image.open("rows-reliability.png") as image:
        assert np.asarray(image.convert("RGB")).std() > 20
    # Continued, with every row there: the same figures.
    Path("rows-figures.json").rename("before.json")
    assert call("--labels", "real", "fake", "--out", "rows.csv").exit_code == 0
    assert Path("rows-figures.json").read_bytes() == Path("before.json").read_bytes()
    # As a table, of which some pictures are named; people stand in it.
    table = [f"{side}/{level}.png,{side},{level % 4}" for side in ("real", "fake") for level in (30, 40, 90, 100, 110)]
    kept = [line for line in table if (tmp_path / line.split(",")[0]).exists()]
    Path("labels.csv").write_text("\n".join(["picture,label,person", *kept]))
    result = call("--csv", "real", "fake", "--labels", "labels.csv")
    assert result.exit_code == 0, result.output
    assert len(rows(result)) == 19
    [figures] = json.loads(Path("fakeoff-score-figures.json").read_text())
    assert (figures["unit"], figures["figures"]["n_real"] + figures["figures"]["n_fake"]) == ("person", len(kept))


def test_heatmaps_are_a_picture_each_for_patch_detectors(call: Call, pictures: Path) -> None:
    assert call("pictures/a.png", "pictures/bad.png", "--heatmaps", "maps/deep").exit_code == 1
    [path] = Path("maps/deep").iterdir()
    assert path.name.startswith("a-toy_brightness@0-")
    assert call("pictures/sub/c.png", "--heatmaps", "maps/tiles", "--size", "tiles").exit_code == 0
    for drawn in (path, *Path("maps/tiles").iterdir()):
        with Image.open(drawn) as image:
            assert image.format == "PNG"
            assert np.asarray(image.convert("RGB")).std() > 10
    text = one_line(call("pictures", "--heatmaps", "none", detector="fixed_brightness"))
    assert "fixed_brightness@0 judges whole images, it has no heatmap. Patch detectors of this home:" in text
    assert not Path("none").exists()
    Path("file").write_text("")
    assert "'file/below' cannot be made" in one_line(call("pictures", "--heatmaps", "file/below"))


@pytest.mark.parametrize(
    ("arguments", "detector", "expected"),
    [
        (("pictures", "--all"), "toy_brightness", "--all and --detector exclude each other"),
        (("pictures", "--csv", "--json"), "toy_brightness", "--csv and --json exclude each other"),
        (("pictures",), "toy_brihgtness", "did you mean 'toy_brightness'?"),
        (("pictures/none",), "patches_raise", "no detector 'patches_raise' in this home"),
        (("pictures", "--labels", "pictures"), "toy_brightness", "or one CSV file"),
        (("pictures", "--labels", "none.csv"), "toy_brightness", "'none.csv' cannot be read: No such file"),
        (("pictures", "-0"), "toy_brightness", "give '-' as a PATH"),
        (("pictures", "--out", "pictures/a.png"), "toy_brightness", "cannot be continued"),
    ],
)
def test_a_call_that_makes_no_sense_is_one_line(
    arguments: tuple[str, ...], detector: str, expected: str, call: Call, pictures: Path
) -> None:
    before = {path: path.read_bytes() for path in pictures.rglob("*.*")}
    assert expected in one_line(call(*arguments, detector=detector))
    assert {path: path.read_bytes() for path in pictures.rglob("*.*")} == before


def test_no_picture_is_one_line_and_no_path_is_a_usage(call: Call, tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call("empty", "--csv")
    assert result.exit_code == 2
    assert "fakeoff: no picture in 'empty'; give files or folders that hold some" in result.stderr
    result = call("pictures/sub", "empty", "--csv")
    assert result.exit_code == 0
    assert "no picture in 'empty'" in result.stderr
    assert "Usage:" in call().stderr
    assert "play first: fakeoff run --home" in one_line(call("pictures", at=tmp_path / "nowhere"))


def test_rows_come_before_the_list_ends_and_an_interrupt_keeps_them(home: Path, pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fakeoff.cli", "score", "-", "--csv", "--detector", "toy_brightness"]
    plugins = [argument for path in PLUGINS for argument in ("--plugin", str(path))]
    with subprocess.Popen(
        [*command, "--home", str(home), *plugins],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(f"{pictures / 'a.png'}\n".encode())
        process.stdin.flush()
        assert process.stdout.readline().decode().strip() == ",".join(COLUMNS)
        assert process.stdout.readline().decode().startswith(str(pictures / "a.png"))
        process.terminate()  # with the list still open
        assert process.wait(60) == 143
        assert b"interrupted" in process.stderr.read()


def test_from_python_it_is_an_iterator_of_rows(home: Path, pictures: Path) -> None:
    found = list(fakeoff.score(pictures, home=home, detector="toy_brightness"))
    assert [row.p_fake and round(row.p_fake, 4) for row in found] == [0.2, 0.4, None, 0.8]
    assert [row.picture for row in fakeoff.score([pictures / "b.png"], home=home, workers=1, size="whole")] == [
        str(pictures / "b.png")
    ]
    with pytest.raises(ConfigError, match="no size 'hole'; did you mean 'whole'"):
        fakeoff.score(pictures, home=home, size="hole")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="workers is 0"):
        fakeoff.score(pictures, home=home, workers=0)


def test_what_a_game_takes_for_reals_is_a_folder_here_too(call: Call, tmp_path: Path) -> None:
    found = rows(call("orl", "--csv"))
    assert len(found) == 400
    assert {(row["width"], row["height"], row["error"]) for row in found} == {("92", "112", "")}
    (tmp_path / "fake").mkdir()
    Image.new("L", (40, 40), 250).save(tmp_path / "fake" / "1.png")
    result = call("--labels", "orl", "fake", "--csv")
    assert len(rows(result)) == 401
    assert "1.000" in result.stderr  # nothing in ORL is as bright


def test_a_folder_of_what_is_no_picture_says_what_it_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "phone").mkdir()
    for name in ("1.heic", "2.HEIC", "3.mp4"):
        (tmp_path / "phone" / name).write_bytes(b"x")
    assert "3 file(s) in folders left out" in (line := call("phone", "--csv").stderr)
    assert "(2 HEIC files, 1 video: convert them" in line


def test_labels_may_have_the_columns_of_a_table_of_reals(call: Call, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label,group\npictures/a.png,real,ann\npictures/sub/c.png,fake,bob\n")
    result = call("--labels", "t.csv", "--csv")
    assert result.exit_code == 0, result.output
    assert len(rows(result)) == 2
    (tmp_path / "t.csv").write_text("path,picture,label\na.png,a.png,real\n")
    assert "columns picture and path, which say the same" in one_line(call("--labels", "t.csv"))
