from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fakeoff.arena.compute import Machine, Speeds
from fakeoff.arena.contract.other_device import real_device
from fakeoff.cli import main

pytestmark = pytest.mark.usefixtures("quick_pictures")

TOYS = Path(__file__).parent / "toy_players.py"
BAD = Path(__file__).parent / "bad_players.py"

SMALL = """
rounds = 1
generators = [{ plugin = "toy_generator" }]
detectors = [{ plugin = "toy_detector" }]
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 4, batch = 4 }
defend = { steps = 20, batch = 8, check_every = 10 }
score = { resamples = 100, quality_gate = false, least_auc = 0 }
compute = { attack_threads = 1, precision = "float32" }
"""

Call = Callable[..., Result]


@pytest.fixture
def call(toys: Path, tmp_path: Path, make_home: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command line in a folder where nothing was played."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    make_home(tmp_path / "fakeoff-home")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return invoke


@pytest.fixture(scope="module")
def first(toys: Path, tmp_path_factory: pytest.TempPathFactory, quick_pictures: None) -> tuple[Result, Path]:
    """The small game in an empty folder, as a user plays it: what came of it, and where."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "small.toml").write_text(SMALL)
    with contextlib.chdir(folder):
        return CliRunner().invoke(main, ("run", "small.toml", "--serial", "--plugin", str(TOYS))), folder


@pytest.fixture
def played(first: tuple[Result, Path], call: Call, tmp_path: Path) -> Call:
    """Calls the command line in a folder where the small game was played."""
    shutil.copytree(first[1], tmp_path, dirs_exist_ok=True)
    return call


def _one_line(result: Result) -> str:
    """The error of a refused command: one line, exit code 2, no traceback."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def _face_folder(root: Path, *, people: int = 4, photos: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for person in range(people):
        (root / f"person{person}").mkdir(parents=True)
        for photo in range(photos):
            pixels = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"person{person}" / f"{photo}.png")
    return root


def test_run_plays_and_prints_the_scoreboard(first: tuple[Result, Path]) -> None:
    result, _ = first
    assert result.exit_code == 0, result.output
    assert "Scoreboard after round 1" in result.output
    assert "toy_detector@1" in result.output
    assert "fakeoff ui --home fakeoff-home" in result.output


def test_how_it_is_computed_is_said_first_and_kept_with_the_result(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    emulated = Speeds(float32=1.0, bfloat16=8.0)
    slow = Machine(name="here", processor="Some CPU", features=("AVX2",), cpu=emulated)
    monkeypatch.setattr("fakeoff.arena.jobs.executors.survey", lambda: slow)
    how = ("--serial", "--rounds", "0", "--set", "compute.precision=auto")
    played = call("run", "small.toml", *how)
    assert played.exit_code == 0, played.output
    assert played.output.splitlines()[0] == (
        "training in float32 on Some CPU with AVX2 (measured: bfloat16 is 8 times slower than float32)"
    )
    config = json.loads(Path("fakeoff-home/scoreboard.json").read_text())["config"]
    assert (config["compute"]["device"], config["compute"]["precision"]) == ("cpu", "float32")
    forced = call("run", "small.toml", "--serial", "--rounds", "0", "--set", "compute.precision=bfloat16")
    assert forced.exit_code == 0, forced.output
    assert forced.output.splitlines()[1] == (
        "warning: bfloat16 is 8.0 times slower than float32 here, and compute.precision asks for it; to let it be "
        "chosen: --set compute.precision=auto"
    )
    # another precision is another job; the pools are the same
    assert "defend toy_detector@0: done" in forced.output
    assert "sample toy_generator" not in forced.output


@pytest.mark.skipif(real_device() is not None, reason="there is one")
def test_a_gpu_that_is_not_there_is_one_line(call: Call) -> None:
    assert "no CUDA device on" in _one_line(call("run", "small.toml", "--serial", "--device", "cuda"))
    assert not Path("fakeoff-home/scoreboard.json").exists()


def test_a_complete_home_is_printed_without_computing(played: Call) -> None:
    again = played("run", "--serial", "--plugin", str(TOYS))
    assert again.exit_code == 0
    assert "Scoreboard after round 1" in again.output
    assert "done (" not in again.output


def test_the_result_can_be_had_as_json_with_progress_elsewhere(played: Call) -> None:
    result = played("run", "--serial", "--json")
    assert result.stdout == Path("fakeoff-home/scoreboard.json").read_text()
    assert "results are there already" in result.stderr


def test_quiet_prints_the_result_alone_and_verbose_what_is_reused(played: Call) -> None:
    quiet = played("run", "--serial", "--quiet").output
    assert quiet.strip().startswith("Scoreboard after round 1")
    assert "there already" not in quiet
    verbose = played("run", "--serial", "--verbose").output
    assert "round 1: attack toy_generator@1: its result is there already in fakeoff-home/store/" in verbose
    assert "exclude each other" in _one_line(played("run", "--quiet", "--verbose"))


def test_a_plan_says_what_is_left_to_do_and_does_nothing(played: Call) -> None:
    said = played("run", "--serial", "--plan").output
    assert "Nothing is to be computed" in said
    assert "In MLflow" not in said


def test_leaderboard_rebuilds_the_file_byte_by_byte(played: Call) -> None:
    rebuilt = played("leaderboard", "--json")
    assert rebuilt.stdout == Path("fakeoff-home/scoreboard.json").read_text()
    assert "Detectors, by worst-case" in played("leaderboard").output


def test_export_writes_lossless_pngs_of_both_sides(played: Call) -> None:
    result = played("export", "out")
    assert result.exit_code == 0, result.output
    counts = {folder.name: len(list(folder.glob("test/*.png"))) for folder in Path("out").iterdir()}
    assert counts == {"real": 80, "toy_generator@0": 16, "toy_generator@1": 16}
    for path in Path("out").rglob("*.png"):
        with Image.open(path) as image:
            assert (image.format, image.size, image.info) == ("PNG", (16, 16), {})


def test_plugins_lists_the_players(call: Call) -> None:
    output = call("plugins").output
    for name in ("pgan", "xception_block5", "resnet18_layer1"):
        assert name in output


def test_print_config_is_toml_that_gives_itself(call: Call, tmp_path: Path) -> None:
    first = call("run", "--rounds", "3", "--print-config", "--generators", "pgan").output
    (tmp_path / "again.toml").write_text(first)
    assert call("run", "again.toml", "--print-config").output == first
    assert "rounds = 3 #" in first


def test_a_users_folder_plays(call: Call, tmp_path: Path) -> None:
    folder = _face_folder(tmp_path / "faces")
    (folder / "notes.txt").write_text("not an image")
    result = call("run", "small.toml", "--serial", "--plugin", str(TOYS), "--reals", str(folder))
    assert result.exit_code == 0, result.output
    assert "left out notes.txt: not an image" in result.output
    scoreboard = json.loads(Path("fakeoff-home/scoreboard.json").read_text())
    assert scoreboard["data"]["colour"] == "rgb"
    assert str(tmp_path) not in json.dumps(scoreboard)


def test_an_empty_folder_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = _one_line(call("run", "small.toml", "--serial", "--plugin", str(TOYS), "--reals", "empty"))
    assert "no usable image" in line


def test_a_truncated_jpeg_is_refused_by_name_unless_left_out(call: Call, tmp_path: Path) -> None:
    folder = _face_folder(tmp_path / "faces")
    whole = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(whole, "JPEG")
    (folder / "person1" / "half.jpg").write_bytes(whole.getvalue()[:400])
    arguments = ("run", "small.toml", "--serial", "--plugin", str(TOYS), "--reals", str(folder))
    assert "person1/half.jpg" in _one_line(call(*arguments))
    left_out = call(*arguments, "--skip-corrupt")
    assert left_out.exit_code == 0, left_out.output
    assert "left out person1/half.jpg: damaged" in left_out.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--detectors", "xceptoin_block2"), "unknown detector 'xceptoin_block2'; did you mean 'xception_block2'?"),
        (("--generators", "pgam"), "unknown generator 'pgam'; did you mean 'pgan'?"),
        (("--reals", "nowhere"), "nowhere"),
        (("--rounds", "-1"), "rounds"),
        (("--plugin", "missing.py"), "missing.py"),
        (("--serial", "--workers", "2"), "exclude each other"),
        (("absent.toml",), "absent.toml"),
    ],
)
def test_a_bad_argument_is_one_line(call: Call, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in _one_line(call("run", *arguments))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[atack]\nsteps = 1", "unknown key 'atack'; did you mean 'attack'?"),
        ("[attack]\nstpes = 1", "unknown key 'attack.stpes'; did you mean 'steps'?"),
        ("[attack]\nsteps = 'many'", "attack.steps"),
        ("rounds = ", "not TOML"),
        ('[[generators]]\nplugin = "pgan"\nparameters = { resolutoin = 64 }', "did you mean 'resolution'?"),
    ],
)
def test_a_bad_config_is_one_line_and_names_the_place(call: Call, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    assert expected in _one_line(call("run", "bad.toml", "--serial"))


def test_a_plugin_file_that_does_not_import_is_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    assert "broken.py" in _one_line(call("run", "--plugin", "broken.py"))


def test_a_refused_run_leaves_the_home_as_it_was(played: Call) -> None:
    before = {path: path.read_bytes() for path in Path("fakeoff-home").rglob("*") if path.is_file()}
    _one_line(played("run", "--serial", "--plugin", str(TOYS), "--detectors", "nobody"))
    assert {path: path.read_bytes() for path in Path("fakeoff-home").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("player", ["raises", "returns_nan", "wrong_shape"])
def test_a_forfeit_is_shown_and_sets_the_exit_code(call: Call, bad: Path, player: str) -> None:
    arguments = ("--plugin", str(TOYS), "--plugin", str(bad), "--generators", f"{player},toy_generator")
    result = call("run", "small.toml", "--serial", *arguments)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "FORFEIT" in result.output
    assert result.stderr.strip() == "fakeoff: 1 forfeit(s); see above"
    scoreboard = json.loads(Path("fakeoff-home/scoreboard.json").read_text())
    assert [forfeit["player"] for forfeit in scoreboard["forfeits"]] == [player]
    assert {cell["generator"] for cell in scoreboard["cells"]} == {player, "toy_generator"}


@pytest.fixture
def bad() -> Path:
    return BAD


def test_a_home_without_a_tournament_is_one_line(call: Call) -> None:
    assert "fakeoff run" in _one_line(call("leaderboard", "--home", "nowhere"))


def test_the_ui_of_a_home_without_a_tournament_says_so_after_its_first_line(call: Call) -> None:
    result = call("ui", "--home", "nowhere")
    assert result.exit_code == 2
    begun, why = result.stderr.splitlines()
    assert "it takes some seconds to start" in begun
    assert why == "fakeoff: nothing to show in 'nowhere'; play first: fakeoff run --home nowhere"


def test_what_some_words_more_would_mend_is_shown_as_the_next_command(call: Call, tmp_path: Path) -> None:
    """Ready to be copied, with all that was typed."""
    folder, rng = tmp_path / "my photographs", np.random.default_rng(0)
    for person in range(10):
        (folder / f"p{person}").mkdir(parents=True)
        for index in range(2):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{person}" / f"{index}.png")
    words = ["run", "--reals", str(folder), "--serial", "--home", str(tmp_path / "a home")]
    result = call(*words)
    assert result.exit_code == 2
    *_, why, command = result.stderr.splitlines()
    assert "makes grey images" in why
    assert shlex.split(command)[1:] == [*words, "--set", "arena.colour=grey"]


def _people(folder: Path, names: Iterable[str]) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    return folder


def test_what_was_recognised_of_a_folder_is_one_line_before_anything_is_computed(call: Call, tmp_path: Path) -> None:
    folder = _people(tmp_path / "faces", (f"p{who}_{n}.png" for who in range(5) for n in range(2)))
    (folder / "notes.txt").write_text("x")
    plan = ("run", "--reals", str(folder), "--plan", "--serial", "--home", "a home")
    assert "--group PATTERN" in _one_line(call(*plan))
    said = call(*plan, "--group", r"(.+)_\d").stdout
    assert "left out notes.txt: not an image" in said
    assert "faces: 10 images of 5 people in 1 folder; split by the hash of names: 6 train, 2 val, 2 test" in said
    assert "warning: test has 2 real photographs: figures on so few say nothing" in said
    (tmp_path / "t.csv").write_text(
        "path,split\n" + "".join(f"p{n}_0.png,{('train', 'test')[n % 2]}\n" for n in range(5))
    )
    said = call(*plan, "--table", str(tmp_path / "t.csv")).stdout
    assert "split given by t.csv, val drawn from train by the hash of names: 2 train, 1 val, 2 test" in said


def test_a_split_that_a_folder_brings_is_never_passed_over(call: Call, tmp_path: Path) -> None:
    folder = _people(tmp_path / "faces", (f"{split}/p/{n}.png" for split in ("train", "test") for n in range(2)))
    plan = ("run", "--reals", str(folder), "--plan", "--serial", "--home", "a home")
    assert "'p' is in train and test" in _one_line(call(*plan))
    assert "val drawn from train" in call(*plan, "--split-by", "file").stdout
    _people(folder, ["more/q.png"])
    assert "1 image lies beside test/ train/ (more/q.png)" in _one_line(call(*plan))


def _every_command(command: click.Command = main, name: str = "fakeoff") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below, inner in command.commands.items():
            yield from _every_command(inner, f"{name} {below}")


@pytest.mark.parametrize("width", [80, 100])
def test_help_is_whole_sentences_for_h_too(width: int) -> None:
    for name, command in _every_command():
        words = name.split()[1:]
        shown = CliRunner().invoke(main, [*words, "-h"], terminal_width=width)
        assert shown.exit_code == 0, name
        assert shown.output == CliRunner().invoke(main, [*words, "--help"], terminal_width=width).output
        assert max(len(line) for line in shown.output.splitlines()) <= width
        for below in getattr(command, "commands", ()):
            [summary] = [line for line in shown.output.splitlines() if line.startswith(f"  {below} ")]
            assert summary.endswith("."), summary
            assert not summary.endswith("..."), summary


def test_help_says_which_environment_variables_count() -> None:
    assert "FAKEOFF_HOME" in CliRunner().invoke(main, ["leaderboard", "-h"]).output
    assert "FAKEOFF_TRACKING_URI" in CliRunner().invoke(main, ["run", "-h"]).output


def test_names_of_players_are_completed_one_after_the_other() -> None:
    environment = {"_FAKEOFF_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    typed = {"COMP_WORDS": "fakeoff run --detectors resnet18,xception_block"}
    said = CliRunner().invoke(main, env={**environment, **typed}, prog_name="fakeoff").output.split()
    assert "plain,resnet18,xception_block1" in said
    assert all(line.startswith("plain,resnet18,xception_block") for line in said)


def test_the_module_is_the_command() -> None:
    said = subprocess.run([sys.executable, "-m", "fakeoff", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("fakeoff, version ")


def test_one_photograph_to_train_on_is_told_before_anything_is_computed(call: Call, tmp_path: Path) -> None:
    folder = _people(tmp_path / "faces", ("train/a.png", "val/b.png", "test/c.png", "test/d.png"))
    said = _one_line(call("run", "--reals", str(folder), "--serial", "--home", "a home"))
    assert "train has 1 real photograph, and a game needs 2 or more there" in said
