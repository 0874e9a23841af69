"""A home travels in one file: all of it or nothing comes out, and nothing of it leads elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fakeoff.arena.errors import ConfigError, FakeoffError, StoreError
from fakeoff.arena.jobs.store import LeftOutError, Store
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.mlflow.locations import locations_elsewhere
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore
from fakeoff.leaderboard.travel import packing
from fakeoff.leaderboard.travel.archive import MANIFEST
from fakeoff.leaderboard.travel.contents import may_travel
from fakeoff.leaderboard.travel.packing import missing_from, pack_home, unpack_home

pytestmark = pytest.mark.usefixtures("quick_pictures")

PICTURES = {".png", ".webp", ".html"}


@pytest.fixture(scope="module")
def packed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "home.zip"
    pack_home(Home(home), target)
    return target


@pytest.fixture(scope="module")
def bare(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Neither images nor weights."""
    target = tmp_path_factory.mktemp("bare") / "home.zip"
    pack_home(Home(home), target, without=("images", "weights"))
    return target


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_home_comes_out_as_it_went_in(home: Path, packed: Path, tmp_path: Path) -> None:
    there = Home(tmp_path / "there 100%?")
    manifest = unpack_home(packed, there)
    before, after = _tree(home), _tree(there.folder)
    of_this_machine = {"lock", "plugins.json", "ui.log"}
    assert after.keys() - {"unpacked.json"} == before.keys() - of_this_machine
    same = {name for name in before.keys() & after.keys() if before[name] == after[name]}
    assert before.keys() - same - of_this_machine == {"mlflow.db"}
    assert {entry.path: entry.sha256 for entry in manifest.entries if entry.path != "mlflow.db"} == {
        name: hashlib.sha256(after[name]).hexdigest() for name in after.keys() - {"mlflow.db", "unpacked.json"}
    }
    assert locations_elsewhere(there.database, there.artifacts) == []
    store = MlflowStore(there, patience=0)
    with store.errors():
        [run] = store.find_runs(store.experiments()[0], {"arena.kind": "tournament"})
        assert "scoreboard.json" in {file.path for file in store.client.list_artifacts(run.info.run_id)}
    assert [path.name for path in tmp_path.iterdir()] == [there.folder.name]


def test_the_same_home_gives_the_same_bytes_wherever_it_is(packed: Path, tmp_path: Path) -> None:
    there = Home(tmp_path / "there")
    unpack_home(packed, there)
    MlflowStore(there, patience=0).experiments()
    pack_home(there, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_an_archive_tells_nobody_where_it_was_packed(home: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        database = archive.read("mlflow.db")
        manifest = json.loads(archive.read(MANIFEST))
    assert str(home).encode() not in database
    assert str(Path.cwd()).encode() not in database
    assert str(home) not in json.dumps(manifest)
    assert (manifest["format"], manifest["left_out"]) == (1, [])
    assert {one["of"]: one["licence"] for one in manifest["licences"]}["real photographs 'orl'"].startswith("the ORL")
    assert {one["of"] for one in manifest["licences"]} >= {"weights of first", "fakes of toy_generator"}


def test_without_images_and_weights_what_was_found_can_be_read(
    home: Path,
    results: Store,
    bare: Path,
    tmp_path: Path,
    make_config: Callable[..., Any],
    play_in: Any,
    replaying: Any,
) -> None:
    there = Home(tmp_path / "there")
    assert unpack_home(bare, there).left_out == ("images", "weights")
    files = _tree(there.folder)
    assert not [name for name in files if Path(name).suffix in PICTURES]
    store = there.open_store()
    record = read_ledger(there, store)
    for version in record.versions:
        for key in (version.key, *version.pools.values()):
            if not results.read(key).arrays:
                continue  # a generator of noise has no weights
            assert key not in store
            with pytest.raises(LeftOutError, match=r"left out when .* fakeoff run --home"):
                store.read(key)
    for pools in record.real_pools.values():
        assert not any(key in store for key in pools.values())
    kept = {path.parent.name for path in there.store.glob("*/*/arrays.safetensors")}
    for key in kept:
        assert {array.dtype.name for array in store.read(key).arrays.values()} <= {"float32", "int64", "uint8", "bool"}
        assert not any(array.ndim > 3 for array in store.read(key).arrays.values())

    runner = CliRunner()
    shown = runner.invoke(main, ["leaderboard", "--home", str(there), "--json"])
    assert shown.stdout == (home / "scoreboard.json").read_text()
    assert shown.stderr.count("\n") == 1
    assert "images and weights were left out when this home was packed" in shown.stderr
    for command in (
        ["score", str(tmp_path), "--detector", "first"],
        ["look", str(tmp_path / "none.png"), "--detector", "first"],
        ["export", str(tmp_path / "pools")],
        ["challenge", "first", "--serial", "--restarts", "1"],
    ):
        refused = runner.invoke(main, [*command, "--home", str(there)])
        assert refused.exit_code == 2, refused.output
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert (
        "weights were left out"
        in runner.invoke(main, ["score", "x", "--detector", "first", "--home", str(there)]).stderr
    )
    assert "images were left out" in runner.invoke(main, ["export", str(tmp_path / "p"), "--home", str(there)]).stderr
    report = runner.invoke(main, ["report", "--home", str(there)])
    assert report.exit_code == 0, report.output
    assert there.report.is_file()

    # Played on, all of it is computed again, and logged again.
    play_in(make_config(), there.folder, replaying())
    assert missing_from(there) == ""
    assert Store(there.store).left_out() == []
    again = {name for name in _tree(there.folder) if name.startswith("mlflow-artifacts/")}
    assert len(again) == len([name for name in _tree(home) if name.startswith("mlflow-artifacts/")])


def test_what_comes_out_otherwise_is_not_put_in_the_place_of_what_was_left_out(bare: Path, tmp_path: Path) -> None:
    there = Home(tmp_path / "there")
    unpack_home(bare, there)
    store = there.open_store()
    key = read_ledger(there, store).versions[0].key
    result = store.record(key)
    from fakeoff.arena.jobs import Result

    with pytest.raises(StoreError, match="come out otherwise here"):
        store.write(key, Result(record=result, arrays={}))
    assert key not in store


def test_all_tournaments_of_a_home_travel_and_no_plugin_file_of_this_machine(home: Path, tmp_path: Path) -> None:
    several = Home(shutil.copytree(home, tmp_path / "several"))
    other = several.named("harder")
    other.place.mkdir(parents=True)
    for path in (several.tournament, several.scoreboard):
        shutil.copy(path, other.place)
    several.plugins.write_text("[]")
    (several.tournaments / "no game").mkdir()
    (several.tournaments / "no game" / "notes.txt").write_text("mine")
    pack_home(several, tmp_path / "several.zip")
    there = Home(tmp_path / "there")
    unpack_home(tmp_path / "several.zip", there)
    assert there.names() == ("", "harder")
    assert read_ledger(there.named("harder"), there.open_store()).matches
    assert sorted(path.name for path in there.named("harder").place.iterdir()) == ["scoreboard.json", "tournament.json"]
    assert not there.plugins.exists()


@pytest.mark.parametrize(
    "name",
    ["tournaments/scoreboard.json", "tournaments/a/plugins.json", "tournaments/..x/store", "plugins.json", "lock",
     "tournaments/a", "tournaments/a/b/scoreboard.json"],
)  # fmt: skip
def test_what_is_no_file_of_a_home_does_not_travel(name: str, tmp_path: Path) -> None:
    assert not may_travel(name, Home(tmp_path))
    assert may_travel("tournaments/a/scoreboard.json", Home(tmp_path))
    assert may_travel("tournaments/a/experiments/strength.json", Home(tmp_path))


def test_a_home_that_is_played_in_is_not_packed(home: Path, tmp_path: Path) -> None:
    copy = Home(tmp_path / "copy")
    shutil.copytree(home, copy.folder)
    with copy.locked(), pytest.raises(StoreError, match=r"another fakeoff is playing in .*; wait for it$"):
        pack_home(copy, tmp_path / "copy.zip")
    with copy.unplayed(), copy.unplayed(), pytest.raises(StoreError, match="another fakeoff"), copy.locked():
        pass
    assert not list(tmp_path.glob("*.zip"))


def test_what_is_there_is_not_written_over(home: Path, packed: Path, tmp_path: Path) -> None:
    full = Home(tmp_path / "full")
    full.folder.mkdir()
    (full.folder / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        unpack_home(packed, full)
    with pytest.raises(ConfigError, match="is there already"):
        pack_home(Home(home), full.folder / "mine.txt")
    assert _tree(tmp_path) == {"full/mine.txt": b"mine"}
    with pytest.raises(StoreError, match="nothing was played"):
        pack_home(Home(tmp_path / "nowhere"), tmp_path / "x.zip")
    empty = Home(tmp_path / "empty")
    empty.folder.mkdir()
    unpack_home(packed, empty)
    assert empty.tournament.is_file()


def test_artifacts_elsewhere_are_not_lost_in_silence(home: Path, tmp_path: Path) -> None:
    copy = Home(tmp_path / "copy")
    shutil.copytree(home, copy.folder)
    with sqlite3.connect(copy.database) as connection:
        connection.execute("UPDATE runs SET artifact_uri = 's3://mine/1' WHERE name = 'first'")
    with pytest.raises(StoreError, match=r"keeps artifacts in 's3://mine/1'"):
        pack_home(copy, tmp_path / "copy.zip")


Change = Callable[[dict[str, bytes], dict[str, Any]], None]


def _rewritten(packed: Path, target: Path, change: Change) -> Path:
    """An archive with other entries, whose manifest tells the truth about them unless the change says otherwise."""
    with zipfile.ZipFile(packed) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries.pop(MANIFEST))
    change(entries, manifest)
    if manifest.get("entries") is not None and not manifest.pop("as it is", False):
        manifest["entries"] = [
            {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in entries.items()
        ]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest))
        for name, content in entries.items():
            archive.writestr(name, content)
    return target


def _add(name: str, content: bytes = b"x") -> Change:
    return lambda entries, _: entries.update({name: content})


def _manifest(**over: Any) -> Change:
    return lambda _, manifest: manifest.update({"as it is": True, **over})


def _database(statement: str) -> Change:
    def change(entries: dict[str, bytes], _: Mapping[str, Any]) -> None:
        with sqlite3.connect(":memory:") as connection:
            connection.deserialize(entries["mlflow.db"])
            connection.execute(statement)
            connection.commit()
            entries["mlflow.db"] = connection.serialize()

    return change


def _lie(entries: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["as it is"] = True
    entries["scoreboard.json"] = entries["scoreboard.json"][:-1] + b" "


HOSTILE: dict[str, tuple[Change, str]] = {
    "up": (_add("store/../../up.txt"), "leads out of the folder"),
    "absolute": (_add("/tmp/absolute.txt"), "leads out of the folder"),
    "here": (_add("store/./here.txt"), "leads out of the folder"),
    "doubled slash": (_add("store//here.txt"), "leads out of the folder"),
    "backslash": (_add("store\\up.txt"), "has a name that no file"),
    "line break": (_add("store/a\nb"), "has a name that no file"),
    "long": (_add("store/" + "a" * 300), "has too long a name"),
    "folder": (_add("store/folder/"), "is no file"),
    "strange": (_add("sitecustomize.py"), "is no file of a home"),
    "lock": (_add("lock"), "is no file of a home"),
    "below a file": (_add("scoreboard.json/a"), "is a file and a folder"),
    "other bytes": (_lie, "'scoreboard.json' is not what its manifest says"),
    "no entries": (_manifest(entries=[]), "does not name its entries"),
    "no manifest": (_manifest(entries="none"), "its manifest cannot be read"),
    "later": (_manifest(format=2), "its format is 2"),
    "nobody knows": (_add("store/ab/abc/left-out", b"everything"), "nobody knows what"),
    "no database": (lambda entries, _: entries.update({"mlflow.db": b"x" * 4096}), "MLflow database is damaged"),
    "writes elsewhere": (
        _database("UPDATE experiments SET artifact_location = 'file:///root/.ssh' WHERE name != 'Default'"),
        "its MLflow would write to 'file:///",
    ),
    "up in the database": (
        _database("UPDATE runs SET artifact_uri = 'file:///fakeoff-home/mlflow-artifacts/../../up'"),
        "would write to",
    ),
    "trigger": (
        _database("CREATE TRIGGER later AFTER INSERT ON runs BEGIN UPDATE runs SET artifact_uri = 'file:///'; END"),
        "'later' in its MLflow database",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_leaves_nothing_behind(name: str, bare: Path, tmp_path: Path) -> None:
    change, why = HOSTILE[name]
    archive = _rewritten(bare, tmp_path / "hostile.zip", change)
    with pytest.raises(FakeoffError, match=why) as told:
        unpack_home(archive, Home(tmp_path / "there"))
    assert "\n" not in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.zip"]


def test_a_bomb_and_what_there_is_no_room_for_are_refused_before_anything_is_written(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = _rewritten(bare, tmp_path / "bomb.zip", _add("output/bomb.txt", bytes(16 * 2**20)))
    monkeypatch.setattr(packing, "free_bytes", lambda _: 2**20)
    with pytest.raises(StoreError, match=r"needs 0.0 GiB, and there are 0.0 GiB free"):
        unpack_home(bomb, Home(tmp_path / "there"))
    monkeypatch.setattr(packing, "_SMALL", 2**20)
    monkeypatch.setattr(packing, "_MOST_TIMES_ITS_SIZE", 10)
    with pytest.raises(StoreError, match="times as large, as no home does"):
        unpack_home(bomb, Home(tmp_path / "there"))
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.zip"]


def test_links_devices_duplicates_and_overlaps_are_refused(bare: Path, tmp_path: Path) -> None:
    def refused(content: bytes, why: str) -> None:
        path = tmp_path / "hostile.zip"
        path.write_bytes(content)
        with pytest.raises(StoreError, match=why):
            unpack_home(path, Home(tmp_path / "there"))
        assert not (tmp_path / "there").exists()

    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO):
        info = zipfile.ZipInfo("output/link")
        info.external_attr = (kind | 0o777) << 16
        file = io.BytesIO(bare.read_bytes())
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(info, "/etc/passwd")
        refused(file.getvalue(), "is no file")
    file = io.BytesIO(bare.read_bytes())
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("scoreboard.json", "{}")
    refused(file.getvalue(), "the same name")
    refused(bare.read_bytes()[:-200], "is no zip archive")
    refused(b"", "is no zip archive")
    content = bytearray(bare.read_bytes())
    content[len(content) // 2] ^= 0xFF
    refused(bytes(content), "is not unpacked")
    with pytest.raises(StoreError, match="no archive at"):
        unpack_home(tmp_path / "none.zip", Home(tmp_path / "there"))


def test_who_calls_it_reads_licences_and_where_it_is(home: Path, tmp_path: Path) -> None:
    runner, target, there = CliRunner(), tmp_path / "home.zip", tmp_path / "there"
    done = runner.invoke(main, ["pack", str(home), str(target), "--no-images"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("licence of real photographs 'orl': ")
    assert "licence of weights of first: learnt here from real photographs 'orl'" in lines
    assert not any("fakes of" in line for line in lines)
    assert lines[-2].endswith("left out: images")
    out = runner.invoke(main, ["unpack", str(target), str(there)])
    assert out.exit_code == 0, out.output
    assert out.stdout.splitlines()[-1] == lines[-1]
    assert f"fakeoff run --home {there}" in out.stdout
