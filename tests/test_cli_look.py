"""`fakeoff look` at real files, as a user would call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.parsers import parsers as players_of_parsers
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import write_ledger
from fakeoff.protocols.attack_defend import play_tournament

pytestmark = pytest.mark.usefixtures("quick_pictures")

HERE = Path(__file__).parent
PLUGINS = tuple(HERE / name for name in ("toy_players.py", "bad_players.py", "toy_parsers.py"))

Call = Callable[..., Result]
Pixels = npt.NDArray[np.uint8]


class Silent:
    def begun(self, job: Any) -> None:
        pass

    def reused(self, job: Any) -> None:
        pass

    def damaged(self, job: Any, reason: str) -> None:
        pass

    def progress(self, job: Any, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Any) -> None:
        pass

    def round_finished(self, record: Any) -> None:
        pass


@pytest.fixture(scope="module")
def home(toys: Path, toy_config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose detector of bright patches says of every picture what its pixels are. Read it, do not write."""
    for path in PLUGINS:
        load_plugin_file(path)
    home = tmp_path_factory.mktemp("played")
    names = ("toy_brightness", "toy_detector", "toy_wide_detector", "fixed_brightness", "patches_nan", "patches_raise")
    record = play_tournament(
        toy_config(detectors=[{"plugin": name} for name in names], parts={"parser": "toy_quadrants"}),
        source=open_source("orl"),
        store=Store(home / "store"),
        executor=SerialExecutor(),
        observer=Silent(),
    )
    write_ledger(record, Home(home))
    return home


@pytest.fixture
def call(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command in an empty folder, by default with the detector of bright patches of the played home."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, detector: str = "toy_brightness", at: Path = home) -> Result:
        return CliRunner().invoke(main, ("look", *arguments, "--detector", detector, "--home", str(at)))

    return invoke


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """A fake to that detector: nothing but bright, and brightest below left, where its parser sees a mouth."""
    return save(below_left(230, 255), tmp_path / "bright.png")


def below_left(elsewhere: int, there: int, *, side: int = 160) -> Pixels:
    pixels = np.full((side, side, 3), elsewhere, dtype=np.uint8)
    pixels[3 * side // 4 :, : side // 4] = there
    return pixels


def save(pixels: Pixels, path: Path, *, mode: str = "RGB", **how: Any) -> Path:
    Image.fromarray(pixels).convert(mode).save(path, **how)
    return path


def judged(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def one_line(result: Result) -> str:
    """The error of a refused command: one line, exit code 2, no traceback."""
    assert result.exit_code == 2, f"{result.output} {result.exception!r}"
    assert "Traceback" not in result.output
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("fakeoff: ")
    return lines[0]


def test_a_table_names_each_picture_its_verdict_and_where_it_was_seen(call: Call, bright: Path, tmp_path: Path) -> None:
    dark = below_left(20, 20)
    dark[: 160 // 4, 3 * 160 // 4 :] = 0  # darkest above right, where the parser sees an eye
    save(dark, tmp_path / "[bold]dark.jpg", quality=95)
    result = call("bright.png", "[bold]dark.jpg")
    assert result.exit_code == 0, result.output
    rows = {
        cells[1].strip(): cells for cells in (line.split("│") for line in result.stdout.splitlines()) if len(cells) > 4
    }
    assert [cell.strip() for cell in rows["bright.png"][3:5]] == ["fake", "mouth"]
    assert [cell.strip() for cell in rows["[bold]dark.jpg"][3:5]] == ["real", "eye"]
    assert 0.88 < float(rows["bright.png"][2]) < 0.93
    assert float(rows["[bold]dark.jpg"][2]) < 0.1
    assert "heatmaps: fakeoff-look.png" in result.stdout


def test_the_sheet_is_a_picture_with_frames_and_both_colours(call: Call, bright: Path, tmp_path: Path) -> None:
    save(below_left(10, 0), tmp_path / "dark.png")
    assert call("bright.png", "dark.png", "--out", "deep/er/sheet.png").exit_code == 0
    with Image.open("deep/er/sheet.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(int)
    red, green, blue = pixels.transpose(2, 0, 1)
    assert ((red > 220) & (green > 180) & (blue < 120)).sum() > 100  # frames
    assert (red > blue + 60).sum() > 1000  # what is fake
    assert (blue > red + 60).sum() > 1000  # what is real
    assert not Path("fakeoff-look.png").exists()


def test_json_has_every_figure(call: Call, bright: Path, home: Path) -> None:
    [verdict] = judged(call("bright.png", "--json"))
    assert set(verdict) == {"picture", "p_fake", "is_fake", "part", "patch", "face"}
    assert (verdict["picture"], verdict["is_fake"], verdict["part"]) == ("bright.png", True, "mouth")
    # The patch in pixels of the arena, which has 16.
    assert verdict["patch"] == [12, 0, 16, 4]
    assert verdict["p_fake"] == pytest.approx((15 * 230 + 255) / 16 / 255, abs=0.005)
    assert Path("fakeoff-look.png").is_file()


def test_one_file_in_every_format_and_colour_is_one_verdict(call: Call, tmp_path: Path) -> None:
    pixels = below_left(230, 255)
    formats: dict[str, tuple[str, dict[str, Any]]] = {
        "rgb.png": ("RGB", {}),
        "grey.png": ("L", {}),
        "palette.png": ("P", {}),
        "transparent.png": ("RGBA", {}),
        "colour.jpg": ("RGB", {"quality": 100}),
        "grey.jpg": ("L", {"quality": 100}),
        "print.jpg": ("CMYK", {"quality": 100}),
        "lossless.webp": ("RGB", {"lossless": True}),
        "wrong name.txt": ("RGB", {"format": "PNG"}),
    }
    for name, (mode, how) in formats.items():
        save(pixels, tmp_path / name, mode=mode, **how)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "sixteen bits.png")
    found = judged(call(*formats, "sixteen bits.png", "--json"))
    assert len(found) == 10
    for verdict in found:
        assert (verdict["part"], verdict["patch"], verdict["is_fake"]) == ("mouth", [12, 0, 16, 4], True), verdict
        assert verdict["p_fake"] == pytest.approx(found[0]["p_fake"], abs=0.01), verdict


def test_pictures_of_any_size_are_cropped_to_the_middle_square(call: Call, tmp_path: Path) -> None:
    square = below_left(230, 255)
    margin = np.zeros((160, 70, 3), dtype=np.uint8)
    save(square, tmp_path / "square.png")
    save(np.concatenate([margin, square, margin], axis=1), tmp_path / "wide.png")
    save(np.concatenate([margin, square, margin], axis=1).swapaxes(0, 1), tmp_path / "tall.png")
    save(below_left(230, 255, side=16), tmp_path / "as the arena.png")
    save(below_left(230, 255, side=1000), tmp_path / "large.png")
    save(below_left(230, 255, side=8), tmp_path / "small.png")
    save(np.full((1, 1, 3), 255, dtype=np.uint8), tmp_path / "one pixel.png")
    names = ("square.png", "wide.png", "as the arena.png", "large.png", "small.png", "tall.png", "one pixel.png")
    *same, tall, pixel = judged(call(*names, "--json"))
    for verdict in same:
        assert (verdict["patch"], verdict["part"]) == ([12, 0, 16, 4], "mouth"), verdict
        assert verdict["p_fake"] == pytest.approx(same[0]["p_fake"], abs=0.01)
    assert (tall["patch"], tall["part"]) == ([0, 12, 4, 16], "eye")  # across the diagonal
    assert pixel["p_fake"] == 1.0


def test_a_photograph_is_turned_upright(call: Call, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # lies upside down
    save(below_left(230, 255), tmp_path / "turned.jpg", quality=100, exif=exif)
    [verdict] = judged(call("turned.jpg", "--json"))
    assert (verdict["patch"], verdict["part"]) == ([0, 12, 4, 16], "eye")


def test_colour_passes_through_luminance_where_the_arena_is_grey(call: Call, tmp_path: Path) -> None:
    for name, colour in {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}.items():
        save(np.full((32, 32, 3), colour, dtype=np.uint8), tmp_path / f"{name}.png")
    found = judged(call("red.png", "green.png", "blue.png", "--json"))
    assert [verdict["p_fake"] for verdict in found] == pytest.approx([0.299, 0.587, 0.114], abs=0.003)


def test_many_pictures_fit_on_a_sheet(call: Call, bright: Path) -> None:
    assert len(judged(call(*["bright.png"] * 13, "--json", detector="toy_detector@0"))) == 13


def test_a_detector_whose_patches_see_everything_names_no_part(call: Call, bright: Path) -> None:
    [verdict] = judged(call("bright.png", "--json", detector="toy_wide_detector"))
    assert (verdict["part"], verdict["patch"]) == ("", [0, 0, 16, 16])
    rows = call("bright.png", detector="toy_wide_detector").stdout.splitlines()
    assert [row.split("│")[4].strip() for row in rows if "bright.png" in row] == ["-"]


def test_help_says_what_it_takes(call: Call) -> None:
    text = CliRunner().invoke(main, ["look", "--help"]).output
    assert "IMAGES..." in text
    for option in ("--detector", "--home", "--out", "--json", "--plugin"):
        assert option in text
    assert "look" in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize(
    ("detector", "expected"),
    [
        ("toy_brihgtness", "no detector 'toy_brihgtness' in this home; did you mean 'toy_brightness'?"),
        ("toy_brightness@7", "no detector 'toy_brightness@7' in this home; did you mean 'toy_brightness@"),
        ("zzz", "Its detectors: fixed_brightness, patches_nan"),
        ("toy_generator", "no detector 'toy_generator' in this home"),
        ("", "no detector ''"),
        ("fixed_brightness", "fixed_brightness@0 judges whole images"),
    ],
)
def test_a_detector_that_cannot_look_is_one_line(call: Call, bright: Path, detector: str, expected: str) -> None:
    assert expected in one_line(call("bright.png", detector=detector))
    assert not Path("fakeoff-look.png").exists()


@pytest.mark.parametrize(("detector", "expected"), [("patches_nan", "NaN"), ("patches_raise", "the plugin's own bug")])
def test_a_detector_whose_patches_misbehave_is_one_line(call: Call, bright: Path, detector: str, expected: str) -> None:
    assert expected in one_line(call("bright.png", detector=detector))


def test_a_picture_that_is_none_is_one_line_and_named(call: Call, bright: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("this is text\n")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    whole = bright.read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    save(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), tmp_path / "noise.jpg")
    jpeg = (tmp_path / "noise.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    for name, expected in {
        "missing.png": "no picture at 'missing.png'",
        "notes.png": "'notes.png': not an image, though its name says so",
        "empty.jpg": "'empty.jpg': an empty file",
        "folder.png": "'folder.png'",
        "half.png": "'half.png': damaged",
        "half.jpg": "'half.jpg': damaged",
    }.items():
        # The others are fine; nothing is written all the same.
        assert expected in one_line(call("bright.png", name)), name
    assert not Path("fakeoff-look.png").exists()


def test_too_many_pictures_are_one_line(call: Call, bright: Path) -> None:
    assert "61 pictures; give at most 60" in one_line(call(*["bright.png"] * 61))


def test_a_home_without_a_tournament_is_one_line(call: Call, bright: Path, tmp_path: Path) -> None:
    assert "play first: fakeoff run --home" in one_line(call("bright.png", at=tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "empty").mkdir()
    assert "play first: fakeoff run --home" in one_line(call("bright.png", at=tmp_path / "empty"))


def test_a_folder_that_is_no_home_is_left_as_it_was(call: Call, bright: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    one_line(call("bright.png", at=tmp_path / "empty"))
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_output_that_cannot_be_written_is_one_line(call: Call, bright: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "'file/sheet.png' cannot be written" in one_line(call("bright.png", "--out", "file/sheet.png"))
    assert "/dev/full" in one_line(call("bright.png", "--out", "/dev/full"))
    long = "x" * 300 + ".png"
    assert "cannot be written" in one_line(call("bright.png", "--out", long))


@pytest.mark.parametrize("arguments", [(), ("--out", "folder", "bright.png")])
def test_a_call_that_makes_no_sense_is_refused_by_its_usage(
    call: Call, bright: Path, arguments: tuple[str, ...]
) -> None:
    Path("folder").mkdir()
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.output


def test_a_plugin_file_may_be_given_and_must_load(call: Call, bright: Path, tmp_path: Path) -> None:
    given = [argument for path in PLUGINS for argument in ("--plugin", str(path))]
    assert judged(call("bright.png", "--json", *given))[0]["part"] == "mouth"
    assert "missing.py" in one_line(call("bright.png", "--plugin", "missing.py"))


def test_a_folder_and_orl_are_drawn_as_many_as_there_is_room_for(call: Call, bright: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    save(below_left(20, 0), tmp_path / "faces" / "dark.png")
    (tmp_path / "faces" / "bad.jpg").write_text("<html>")
    result = call("faces", "bright.png", "--json")
    assert [verdict["picture"] for verdict in judged(result)] == ["bright.png", "faces/dark.png"]
    assert "left out bad.jpg: an HTML page" in result.stderr
    result = call("orl", "--json")
    found = [verdict["picture"] for verdict in judged(result)]
    assert len(found) == len(set(found)) == 60
    assert len({Path(picture).parent for picture in found}) == 40  # everybody
    assert "drawn are 60 of the 400 pictures in folders" in result.stderr
    (tmp_path / "empty").mkdir()
    assert "no picture in 'empty'" in one_line(call("empty"))


def test_it_says_where_the_parser_sees_no_face(
    call: Call, bright: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def label(parser: Any, images: Any) -> Any:
        return torch.full((len(images), *images.shape[2:]), PARTS.index("hair"), dtype=torch.uint8)

    assert judged(call("bright.png", "--json"))[0]["face"] is True
    monkeypatch.setattr(players_of_parsers.load("toy_quadrants"), "label", label)
    result = call("bright.png")
    assert "no face" in next(line for line in result.stdout.splitlines() if "bright.png" in line)
    assert "no face was found in 1 of 1 pictures" in result.stdout
