"""Scores that a detector gave elsewhere, on the images that a home exported."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from fakeoff.arena.errors import ConfigError, DataError, StoreError
from fakeoff.arena.images.reals import SPLITS
from fakeoff.leaderboard.boards import board_text, open_boards
from fakeoff.leaderboard.formats.board import imported_note
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import write_ledger
from fakeoff.leaderboard.imported.importing import import_scores
from fakeoff.leaderboard.imported.scores import ImportedScores, read_imported
from fakeoff.leaderboard.imported.table import Columns
from fakeoff.leaderboard.play import export_pools
from fakeoff.protocols.measures.tournament import TournamentRecord

Rows = Sequence[tuple[str, float]]
Import = Callable[..., ImportedScores]


@pytest.fixture(scope="module")
def exported(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_pools(Home(home), folder, splits=SPLITS)
    return folder


@pytest.fixture(scope="module")
def scored(exported: Path) -> Rows:
    """What a detector that knows nothing but brightness says of all images."""
    return [
        (path.relative_to(exported).as_posix(), float(np.asarray(Image.open(path)).mean() / 255))
        for path in sorted(exported.rglob("*.png"))
    ]


@pytest.fixture
def place(home: Path, tmp_path: Path) -> Home:
    """A home that scores may be put in, with the results of the one that was played."""
    mine = tmp_path / "home"
    mine.mkdir()
    (mine / "store").symlink_to(home / "store")
    for name in ("tournament.json", "scoreboard.json"):
        shutil.copy(home / name, mine)
    return Home(mine)


@pytest.fixture
def take(place: Home, tmp_path: Path) -> Import:
    """Writes rows into a file and imports them."""

    def make(
        rows: Sequence[Sequence[object]], header: Sequence[str] = ("image", "score"), **how: object
    ) -> ImportedScores:
        path = tmp_path / "scores.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return import_scores(path, **{"detector": "elsewhere", "home": place, **how})  # type: ignore[arg-type]

    return make


def test_figures_are_those_of_the_scores(take: Import, scored: Rows, record: TournamentRecord) -> None:
    found = take(scored)
    assert [(cell.generator, cell.generator_round) for cell in found.cells] == [
        (one.player, one.round) for one in record.versions if one.kind == "generator"
    ]
    assert (found.missing, found.absent, found.images) == (0, (), 80 + 4 * 16)
    of = {
        name: np.array([score for path, score in scored if path.startswith(f"{name}/test/")]) for name in record.pools
    }
    for cell in found.cells:
        real, fake = of["real"], of[f"{cell.generator}@{cell.generator_round}"]
        labels = np.repeat([0, 1], [len(real), len(fake)])
        assert cell.auc == pytest.approx(roc_auc_score(labels, np.concatenate([real, fake])))
        assert (cell.n_real, cell.n_fake) == (80, 16)
        low, high = cell.auc_ci
        assert low < cell.auc < high
    worst = min(found.cells, key=lambda cell: cell.auc)
    assert found.standing.worst_auc == worst.auc
    assert found.standing.worst_against == f"{worst.generator}@{worst.generator_round}"
    assert found.standing.mean_auc == pytest.approx(np.mean([cell.auc for cell in found.cells]))


def test_intervals_are_over_the_people_that_others_are_over(take: Import, scored: Rows, scoreboard: dict) -> None:
    [units] = {(cell["real_units"], cell["fake_units"]) for cell in scoreboard["cells"]}
    assert {(cell.real_units, cell.fake_units) for cell in take(scored).cells} == {units}
    assert units[0] == 8  # people of test, not their 80 photographs


def test_val_chooses_the_threshold_and_train_is_left_out(take: Import, scored: Rows) -> None:
    found = take(scored)
    assert found.chosen_on_val == 40 + 4 * 16
    assert {pool.name.rpartition("/")[2] for pool in found.pools} == {"val", "test"}
    assert all(cell.tpr_at_5_fpr is not None for cell in found.cells)
    without = take([row for row in scored if "/test/" in row[0]], replace=True)
    assert (without.threshold, without.chosen_on_val) == (0.5, 0)
    assert all(cell.accuracy_val_threshold == cell.accuracy for cell in without.cells)


def test_rows_that_are_missing_are_counted_and_said(take: Import, scored: Rows, place: Home) -> None:
    test = [row for row in scored if "/test/" in row[0] and not row[0].startswith("toy_fixed_generator@0")]
    found = take(
        [row for row in test if row[0] not in ("real/test/test-00003.png", "toy_generator@1/test/test-00000.png")]
    )
    assert (found.missing, found.images, found.absent) == (2, 80 + 3 * 16, ("toy_fixed_generator@0",))
    missing = {
        (cell.generator_round, cell.missing_real, cell.missing_fake, cell.n_real, cell.n_fake) for cell in found.cells
    }
    assert missing == {(0, 1, 0, 79, 16), (1, 1, 1, 79, 15), (2, 1, 0, 79, 16)}
    boards, _ = open_boards([place.folder])
    said = "2 of 128 test images have no score and are left out; no score of toy_fixed_generator@0"
    for form in ("terminal", "markdown"):
        text = board_text(boards, form)
        assert said.replace("_", r"\_") in text.replace("\n", " ") or said in text
        assert "not blind, not attackable" in text


def test_they_lie_beside_the_scoreboard_and_change_nothing_in_it(
    take: Import, scored: Rows, place: Home, home: Path
) -> None:
    found = take(scored)
    assert read_imported(place.imported) == (found,)
    assert place.scoreboard.read_bytes() == (home / "scoreboard.json").read_bytes()
    boards, _ = open_boards([place.folder])
    assert board_text(boards, "json").encode() == place.scoreboard.read_bytes()
    rows = [row.split(",") for row in board_text(boards, "csv").splitlines()]
    [mine] = [dict(zip(rows[0], row, strict=True)) for row in rows if "elsewhere" in row]
    assert (mine["imported"], mine["round"]) == ("true", "")
    assert float(mine["worst_auc_low"]) == found.standing.worst_auc_ci[0]
    assert board_text(boards, "csv", table="cells").count(",elsewhere,") == 4


def test_any_copy_is_known_by_its_pixels_and_any_export_by_its_hash(
    take: Import, scored: Rows, exported: Path, tmp_path: Path
) -> None:
    expected = take(scored)
    copies = []
    for at, (name, score) in enumerate(scored):
        copy = tmp_path / f"{at}.png"
        Image.open(exported / name).save(copy, compress_level=1)
        copies.append((copy.name, score))
    # The fixed generator's images are the same in its pools' order; no two pools share one here.
    assert take(copies, replace=True).cells == expected.cells
    hashes = [(hashlib.sha256((exported / name).read_bytes()).hexdigest(), score) for name, score in scored]
    assert take(hashes, replace=True).cells == expected.cells


def test_other_columns_and_p_of_real(take: Import, scored: Rows) -> None:
    expected = take(scored)
    flipped = [("x", name, 1 - score) for name, score in scored]
    columns = Columns(image="file", score="p", probability="real")
    found = take(flipped, header=("note", "file", "p"), columns=columns, replace=True)
    assert [cell.auc for cell in found.cells] == pytest.approx([cell.auc for cell in expected.cells])


def test_scores_that_are_the_wrong_way_round_are_noticed(take: Import, scored: Rows) -> None:
    wrong = take([(name, float(name.startswith("real/"))) for name, _ in scored])
    assert "if its scores are P(real), import them with --score-is real" in imported_note(wrong)
    right = take([(name, float("@" in name)) for name, _ in scored], replace=True)
    assert "P(real)" not in imported_note(right)
    # A perfect score has a bound below 1, as any match has.
    assert all(cell.auc == 1 and cell.auc_ci[0] < 0.95 for cell in right.cells)


REAL, FAKE = "real/test/test-00000.png", "toy_generator@0/test/test-00000.png"


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([(REAL, "nan")], ("image", "score"), "line 2: score nan of 'real/test/test-00000.png' is no probability"),
        ([(REAL, 1.01)], ("image", "score"), "line 2: score 1.01 of .* is no probability"),
        ([(REAL, -0.1)], ("image", "score"), "line 2: score -0.1 of .* is no probability"),
        ([(REAL, "high")], ("image", "score"), "line 2: score 'high' of .* is no number"),
        ([(REAL, "")], ("image", "score"), "line 2: score '' of .* is no number"),
        ([("", 1)], ("image", "score"), "line 2: no image"),
        ([(REAL, 0.1), (REAL, 0.1)], ("image", "score"), "line 3: .* has a score already, on line 2"),
        ([(REAL, 0), ("a/" + REAL, 0)], ("image", "score"), "line 3: .* has a score already, on line 2"),
        ([("real/test/test-00080.png", 0)], ("image", "score"), "line 2: .* is no image of this home"),
        ([("nobody@0/test/test-00000.png", 0)], ("image", "score"), "line 2: .* is no image of this home"),
        ([("holiday.jpg", 0)], ("image", "score"), "line 2: 'holiday.jpg' is no image .* fakeoff export FOLDER --home"),
        ([("0" * 64, 0)], ("image", "score"), "line 2: .* is no image of this home"),
        ([(REAL, 0, "fake")], ("image", "score", "label"), "line 2: .* is real, not fake"),
        ([(REAL, 0, "maybe")], ("image", "score", "label"), "line 2: label 'maybe'; give real or fake"),
        ([(REAL, 0)], ("image", "score"), "has no scores of fake images of test"),
        ([(FAKE, 0)], ("image", "score"), "has no scores of real images of test"),
        ([], ("image", "score"), "has no row"),
        ([(REAL, 0)], ("picture", "score"), "has no column 'image'; its columns: picture, score. .* --image-column"),
        ([(REAL, 0)], ("image", "p"), "has no column 'score'; .* --score-column"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    take: Import, place: Home, rows: Rows, header: Sequence[str], said: str
) -> None:
    with pytest.raises(DataError, match=said) as refused:
        take(rows, header=header)
    assert "\n" not in str(refused.value)
    assert not place.imported.exists()


def test_a_picture_with_the_name_of_another_is_noticed(take: Import, tmp_path: Path) -> None:
    (tmp_path / "real/test").mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(tmp_path / REAL)
    with pytest.raises(
        DataError, match="is another picture than real/test has there; it was exported from another home"
    ):
        take([(REAL, 0), (FAKE, 0)])


def test_a_file_that_is_none(place: Home, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        import_scores(tmp_path / "none.csv", detector="x", home=place)
    (tmp_path / "bytes.csv").write_bytes(b"image,score\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        import_scores(tmp_path / "bytes.csv", detector="x", home=place)


def test_names_that_are_taken_or_none(take: Import, scored: Rows) -> None:
    take(scored)
    with pytest.raises(ConfigError, match=r"are in .* already; to put these in their place: --replace"):
        take(scored)
    with pytest.raises(ConfigError, match="'first' plays in"):
        take(scored, detector="first")
    for name in ("../x", "a b", "", "x\n"):
        with pytest.raises(ConfigError, match="is no name of a detector"):
            take(scored, detector=name)


def test_scores_of_images_that_are_no_longer_there_are_left_out(
    take: Import, scored: Rows, place: Home, record: TournamentRecord
) -> None:
    take(scored)
    other = {**record.real_pools[16], "test": record.real_pools[16]["val"]}
    write_ledger(TournamentRecord(**{**vars(record), "real_pools": {16: other}, "measured": {}}), place)
    [board], warnings = open_boards([place.scoreboard])
    assert board.imported == ()
    assert warnings == [
        "imported scores of elsewhere are left out: real/test has other images now; export and import again"
    ]


def test_a_damaged_file_is_told(take: Import, scored: Rows, place: Home) -> None:
    take(scored)
    kept = place.imported_scores("elsewhere")
    for change in ({"schema_version": 9}, {"cells": 1}):
        kept.write_text(json.dumps({**json.loads(kept.read_text()), **change}))
        with pytest.raises(StoreError, match=r"elsewhere.json' cannot be read: .*; import it again, or delete it"):
            open_boards([place.folder])
