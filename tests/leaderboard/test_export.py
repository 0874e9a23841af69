from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import write_ledger
from fakeoff.leaderboard.play import export_pools, rebuild_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord


def test_pools_are_written_as_they_were_scored(
    home: Path, results: Store, record: TournamentRecord, tmp_path: Path
) -> None:
    counts = export_pools(Home(home), tmp_path, splits=["test"])
    attacked = [f"toy_generator@{round_}/test" for round_ in range(3)]
    assert counts == {"real/test": 80, **dict.fromkeys([*attacked, "toy_fixed_generator@0/test"], 16)}
    pools = {f"{version.label}/test": version.pools["test"] for version in record.versions if version.pools}
    pools["real/test"] = record.real_pools[16]["test"]
    for folder, key in pools.items():
        files = sorted((tmp_path / folder).iterdir())
        assert files[0].name == "test-00000.png"
        written = np.stack([np.asarray(Image.open(file)) for file in files])
        assert np.array_equal(written, results.read(key).arrays["images"])


def test_the_files_tell_nothing_but_pixels(home: Path, tmp_path: Path) -> None:
    export_pools(Home(home), tmp_path, splits=["test"])
    with Image.open(tmp_path / "toy_generator@1/test/test-00000.png") as image:
        assert (image.format, image.info, image.size) == ("PNG", {}, (16, 16))


def test_any_split_can_be_had(home: Path, tmp_path: Path) -> None:
    counts = export_pools(Home(home), tmp_path, splits=["train", "val"])
    assert (counts["toy_generator@0/train"], counts["toy_generator@0/val"]) == (32, 16)
    assert {folder.name for folder in (tmp_path / "real").iterdir()} == {"train", "val"}
    assert not (tmp_path / "toy_generator@0/test").exists()


def test_reals_of_several_resolutions_are_told_apart(home: Path, record: TournamentRecord, tmp_path: Path) -> None:
    two = TournamentRecord(**{**vars(record), "real_pools": {16: record.real_pools[16], 32: record.real_pools[16]}})
    shutil.copytree(home / "store", tmp_path / "home/store")
    write_ledger(two, Home(tmp_path / "home"))
    counts = export_pools(Home(tmp_path / "home"), tmp_path / "out", splits=["test"])
    assert {"real-16px/test", "real-32px/test"} <= set(counts)
    assert "real/test" not in counts


def test_nothing_played_nothing_made(tmp_path: Path) -> None:
    nowhere = Home(tmp_path / "nowhere")
    for ask in (lambda: export_pools(nowhere, tmp_path / "out", splits=["test"]), lambda: rebuild_scoreboard(nowhere)):
        with pytest.raises(StoreError, match=f"play first: fakeoff run --home {nowhere}"):
            ask()
    assert list(tmp_path.iterdir()) == []
