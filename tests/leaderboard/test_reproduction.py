"""A tournament that is played again from its scoreboard file."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.provenance import Provenance, read_provenance
from fakeoff.leaderboard.reproduction.command import print_reproduction, reproduce
from fakeoff.leaderboard.reproduction.comparison import Reproduction, compare, within
from fakeoff.leaderboard.scoreboard import Scoreboard

pytestmark = pytest.mark.usefixtures("quick_pictures")

Again = Callable[..., Reproduction]


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, make_home: Callable[[Path], Path], toy_config: Any, play_in: Any
) -> Path:
    """The smallest tournament, as it was played: its scoreboard file, and beside it what it was played with."""
    home = make_home(tmp_path_factory.mktemp("recorded"))
    play_in(toy_config(parts={"parser": ""}), home, SerialExecutor())
    return home


@pytest.fixture
def record_of(recorded: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the record, with something changed in its files."""

    def make(scoreboard: Callable[[Any], None] | None = None, provenance: Callable[[Any], None] | None = None) -> Path:
        folder = tmp_path / "record"
        folder.mkdir()
        files = (("scoreboard.json", scoreboard), ("provenance.json", provenance))
        for name, change in files:
            shutil.copy(recorded / name, folder)
            if change is not None:
                data = json.loads((folder / name).read_text())
                change(data)
                (folder / name).write_text(json.dumps(data, indent=2) + "\n")
        if scoreboard is not None:  # whoever forges one forges both
            kept = json.loads((folder / "provenance.json").read_text())
            kept["scoreboard"] = hashlib.sha256((folder / "scoreboard.json").read_bytes()).hexdigest()
            (folder / "provenance.json").write_text(json.dumps(kept))
        return folder / "scoreboard.json"

    return make


@pytest.fixture
def again(tmp_path: Path, make_home: Callable[[Path], Path], replays: Any) -> Again:
    def make(path: Path, **how: Any) -> Reproduction:
        home = Home(make_home(tmp_path / how.pop("into", "again")))
        quiet = Console(file=io.StringIO())
        return reproduce(path, home=home, executor=replays(), console=quiet, **how)

    return make


@pytest.fixture(scope="module")
def replays(recorded: Path) -> Callable[[], Any]:
    """An executor that knows the results of the record, so that a test need not compute them anew."""

    class Replaying(SerialExecutor):
        def wait(self) -> Outcome:
            job = self._waiting[0][0]
            if job.key not in store:
                return super().wait()
            self.take()
            return Outcome(job=job, result=store.read(job.key), failure=None, seconds=0.0)

    store = Store(recorded / "store")
    return Replaying


def _printed(found: Reproduction) -> str:
    written = io.StringIO()
    print_reproduction(found, Console(file=written, width=160))
    return written.getvalue()


def test_it_holds_to_the_byte_where_it_was_played(recorded: Path, tmp_path: Path, make_home: Any) -> None:
    home = Home(make_home(tmp_path / "again"))
    found = reproduce(
        recorded / "scoreboard.json", home=home, executor=SerialExecutor(), console=Console(file=io.StringIO())
    )
    assert (found.standard, found.because, found.holds) == ("bytes", (), True)
    assert len(found.cells) == 4
    assert home.scoreboard.read_bytes() == (recorded / "scoreboard.json").read_bytes()
    kept = json.loads(home.reproduction.read_text())
    assert kept["result"]["holds"] is True
    text = _printed(found)
    assert "4 of 4 cells hold." in text
    assert "Judged to the byte" in text


def test_a_cell_that_was_changed_is_named(record_of: Any, again: Again) -> None:
    def forge(data: Any) -> None:
        data["cells"][1]["auc"] -= 1e-9

    found = again(record_of(scoreboard=forge))
    assert not found.holds
    [cell] = [cell for cell in found.cells if not cell.holds]
    assert (cell.label, cell.differs) == ("toy_generator@0 against toy_detector@1", "auc")
    assert "no: auc" in _printed(found)
    assert "3 of 4 cells hold." in _printed(found)


def test_the_command_says_so_by_its_exit_code(
    record_of: Any, replays: Any, tmp_path: Path, make_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakeoff.arena.jobs.executors.SerialExecutor", replays)

    def forge(data: Any) -> None:
        data["cells"][1]["auc"] -= 1e-9

    def reproduced(path: Path, *more: str) -> Any:
        home = make_home(tmp_path / f"again{len(list(tmp_path.iterdir()))}")
        return CliRunner().invoke(main, ["reproduce", str(path), "--home", str(home), "--serial", *more])

    path = record_of()
    held = reproduced(path, "--json")
    assert held.exit_code == 0, held.output
    assert json.loads(held.stdout)["holds"] is True
    path.unlink()
    (path.parent / "provenance.json").unlink()
    path.parent.rmdir()
    forged = reproduced(record_of(scoreboard=forge))
    assert forged.exit_code == 1
    assert "3 of 4 cells hold." in forged.stdout
    other = json.loads(path.read_text())
    _other_photographs(other)
    path.write_text(json.dumps(other))
    refused = reproduced(path)
    assert refused.exit_code == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "test has other photographs" in refused.stderr


def test_what_was_changed_elsewhere_in_the_file_is_named(record_of: Any, again: Again) -> None:
    def forge(data: Any) -> None:
        data["costs"][0]["kid_to_reals"] += 1

    found = again(record_of(scoreboard=forge))
    assert (found.holds, found.sections) == (False, ("costs",))
    assert "Not the same in the rest of the file: costs" in _printed(found)


def test_elsewhere_it_holds_within_intervals(record_of: Any, again: Again) -> None:
    def elsewhere(data: Any) -> None:
        data["conditions"][0]["releases"]["torch"] = "1.0"
        data["conditions"][0]["machines"][0]["processor"] = "Some CPU"

    def nudge(data: Any) -> None:
        data["cells"][1]["auc"] -= 1e-9

    found = again(record_of(scoreboard=nudge, provenance=elsewhere))
    assert (found.standard, found.holds) == ("intervals", True)
    assert [why.partition(",")[0] for why in found.because] == ["torch 1.0", "Some CPU"]
    assert "Judged within intervals, since bytes may differ: torch 1.0, here " in _printed(found)


def test_without_what_it_was_played_with_it_holds_within_intervals(record_of: Any, again: Again) -> None:
    path = record_of()
    (path.parent / "provenance.json").unlink()
    found = again(path)
    assert (found.standard, found.holds) == ("intervals", True)
    assert found.because[0].startswith("there is no provenance.json beside the file")


def test_what_was_carried_on_under_other_conditions_is_not_judged_to_the_byte(record_of: Any, again: Again) -> None:
    def twice(data: Any) -> None:
        data["conditions"].append({**data["conditions"][0], "code": "0" * 64})

    assert again(record_of(provenance=twice)).because == (
        "it was played under several conditions, one after the other",
    )


def test_what_a_figure_must_be_within(recorded: Path) -> None:
    data = json.loads((recorded / "scoreboard.json").read_text())
    played = Scoreboard.from_json(data)
    row = played.cells[0]
    below, above = row.interval("auc")
    for moved, holds in ((below, True), (below - 0.2, False)):
        cell = {**data["cells"][0], "auc": moved, "auc_ci": [moved, moved]}
        changed = Scoreboard.from_json({**data, "cells": [cell]}).cells[0]
        assert within(changed, row, "auc") == within(row, changed, "auc") == holds
    assert above >= row.auc
    far = {**data, "cells": [{**cell, "recall_fake": 2.0, "recall_fake_ci": [2.0, 2.0]} for cell in data["cells"]]}
    found = compare(far, played, because=["for a reason"])
    assert {cell.differs for cell in found.cells} == {"recall_fake"}


def test_cells_that_only_one_side_has_do_not_hold(recorded: Path) -> None:
    data = json.loads((recorded / "scoreboard.json").read_text())
    played = Scoreboard.from_json({**data, "cells": data["cells"][1:]})
    found = compare({**data, "cells": data["cells"][:-1]}, played, because=())
    assert [cell.differs for cell in found.cells] == ["it was not played", "", "", "it is not on record"]
    assert "-" in _printed(found)


def _other_photographs(data: Any) -> None:
    data["data"]["split"]["test"]["sha256"] = "f" * 64


def _other_version(data: Any) -> None:
    data["players"][1]["fingerprint"]["version"] = "9"


def _other_parameter(data: Any) -> None:
    data["players"][0]["parameters"]["resolution"] = 8


def _no_plugin(data: Any) -> None:
    data["config"]["detectors"][0]["plugin"] = "gone"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"scoreboard": _other_photographs}, "test has other photographs: 80, sha256 ffffffff, on record; 80, sha256 "),
        ({"provenance": _other_version}, r"detector 'toy_detector' \(toy_detector\) has another version \(9 on record"),
        ({"provenance": _other_parameter}, "generator 'toy_generator' .* has another resolution"),
        ({"scoreboard": _no_plugin}, "cannot be played again: .*'gone'"),
    ],
)
def test_what_would_be_another_tournament_is_refused(record_of: Any, again: Again, files: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        again(record_of(**files))


def test_a_folder_of_reals_has_to_be_given_and_to_be_the_same(
    tmp_path: Path, make_home: Any, toy_config: Any, play_in: Any, again: Again
) -> None:
    for name in ("faces", "others"):
        for person in range(4):
            folder = tmp_path / name / f"person{person}"
            folder.mkdir(parents=True)
            for photo in range(3):
                Image.effect_noise((32, 32), 50 + person + photo).save(folder / f"{photo}.png")
    home = make_home(tmp_path / "played")
    config = toy_config(
        rounds=0, reals={"source": str(tmp_path / "faces")}, parts={"parser": ""}, audit={"on_leak": "skip"}
    )
    play_in(config, home, SerialExecutor())
    with pytest.raises(
        ConfigError, match="a folder called 'faces', and its path is not on record; give --reals FOLDER"
    ):
        again(home / "scoreboard.json")
    with pytest.raises(ConfigError, match="train has other photographs"):
        again(home / "scoreboard.json", reals=str(tmp_path / "others"))
    (tmp_path / "faces").rename(tmp_path / "moved")
    found = again(home / "scoreboard.json", reals=str(tmp_path / "moved"))
    assert (found.standard, found.holds) == ("bytes", True)


def test_a_home_in_which_something_was_played_proves_nothing(
    recorded: Path, record_of: Any, again: Again, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="is where it was played"):
        reproduce(recorded / "scoreboard.json", home=Home(recorded), executor=SerialExecutor(), console=Console())
    (tmp_path / "other/store").mkdir(parents=True)
    path = record_of()
    with pytest.raises(ConfigError, match=r"a game was played in .* before; give another --home"):
        again(path, into="other")
    assert again(path).holds
    assert again(path).holds  # the same again goes on where it was
    marker = tmp_path / "again/reproduction.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "scoreboard": "0" * 64}))
    with pytest.raises(ConfigError, match="is of another tournament"):
        again(path)


def test_a_file_that_is_no_scoreboard(tmp_path: Path, record_of: Any, again: Again) -> None:
    for text in ("", "{}", "[1]"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(StoreError, match="is no scoreboard file"):
            again(tmp_path / "bad.json")
    path = record_of(provenance=lambda data: data.update(scoreboard="0" * 64))
    with pytest.raises(StoreError, match="is of another scoreboard than"):
        again(path, provenance=path.parent / "provenance.json")


def test_a_file_that_is_not_the_one_that_was_played_does_not_hold(record_of: Any, again: Again) -> None:
    """Whoever moves a figure within its interval would pass, were its bytes not asked for."""
    found = again(record_of(provenance=lambda data: data.update(scoreboard="0" * 64)))
    assert "this file is not the one that was played" in found.altered
    assert all(cell.holds for cell in found.cells)
    assert not found.holds


def test_provenance_holds_what_decides_bytes_and_nothing_of_the_place(recorded: Path) -> None:
    text = (recorded / "provenance.json").read_text()
    found: Provenance = read_provenance(recorded / "provenance.json")
    [conditions] = found.conditions
    assert {"fakeoff", "Python", "torch", "numpy", "scipy"} <= conditions.releases.keys()
    assert len(conditions.code) == 64
    assert conditions.machines[0].processor
    assert [(one.role, one.name) for one in found.players] == [
        ("generator", "toy_generator"),
        ("detector", "toy_detector"),
    ]
    assert len(found.players[0].fingerprint["version"]) == 64  # the hash of the plugin file
    assert str(recorded.parent) not in text
    assert "/" not in "".join(conditions.releases.values())
