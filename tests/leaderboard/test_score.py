"""A played home's detectors at many pictures: what they say of each is what they say of it alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images import save_png
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.plots.reliability import reliability_diagrams
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import judge_pictures
from fakeoff.protocols.record.versions import Unranked, newest
from fakeoff.protocols.score.blind import read_on_val
from fakeoff.protocols.score.metrics import evaluate
from fakeoff.protocols.scoring.figures import LabelledFigures, reliability
from fakeoff.protocols.scoring.framing import Framing
from fakeoff.protocols.scoring.judges import _standing, choose_judges
from fakeoff.protocols.scoring.scored import Scored
from fakeoff.protocols.scoring.sources import Found
from fakeoff.protocols.scoring.stream import BATCH, score_pictures

DETECTOR = "first@1"


@pytest.fixture(scope="module")
def photographs() -> list[str]:
    return [str(photograph.path) for photograph in open_source("orl").photographs["test"]]


def score(
    names: list[str],
    record: TournamentRecord,
    results: Store,
    *,
    detector: str | None = DETECTOR,
    framing: Framing = "crop",
    **how: Any,
) -> list[Scored]:
    judges = choose_judges(detector, record=record, store=results)
    found = (Found(name=name) for name in names)
    return list(score_pictures(found, judges=judges, record=record, framing=framing, **how))


def p_fakes(scored: list[Scored]) -> list[float | None]:
    return [one.rows[0].p_fake for one in scored]


@pytest.mark.parametrize("workers", [1, 3])
def test_scores_are_those_of_look_in_their_order_whatever_the_batch(
    workers: int, photographs: list[str], record: TournamentRecord, results: Store
) -> None:
    photographs = 2 * photographs
    assert len(photographs) > 2 * BATCH
    scored = score(photographs, record, results, workers=workers)
    judged = judge_pictures(photographs, detector=DETECTOR, record=record, store=results)
    assert [one.rows[0].picture for one in scored] == photographs
    assert p_fakes(scored) == pytest.approx([verdict.p_fake for verdict in judged.verdicts], abs=1e-6)
    assert [one.rows[0].verdict == "fake" for one in scored] == [verdict.is_fake for verdict in judged.verdicts]
    row = scored[0].rows[0]
    assert (row.detector, row.threshold, row.how, row.tiles) == (DETECTOR, judged.threshold, "crop", None)
    assert (row.width, row.height, row.error, row.p_fake_max) == (92, 112, "", None)


def test_the_damaged_are_rows_between_the_others(
    photographs: list[str], record: TournamentRecord, results: Store, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    names = [photographs[0], str(tmp_path / "bad.png"), photographs[1], str(tmp_path / "none.png")]
    scored = score(names, record, results, detector=None)
    assert [one.rows[0].error for one in scored] == ["", "not an image, though its name says so", "", "no such file"]
    assert [len(one.rows) for one in scored] == [2] * 4
    assert [row.detector for row in scored[1].rows] == [row.detector for row in scored[0].rows]
    assert p_fakes(scored)[1] is None
    assert p_fakes(scored)[::2] == pytest.approx(
        p_fakes(score(photographs[:2], record, results, detector=None)), abs=1e-6
    )
    assert [one.rows[0].error for one in score(names[1:2], record, results)] == [
        "not an image, though its name says so"
    ]


def test_formats_that_people_have_are_all_judged_alike(
    record: TournamentRecord, results: Store, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(0, 256, (4, 4)), np.ones((40, 40))).astype(np.uint8)
    image = Image.fromarray(coarse)
    image.save(tmp_path / "grey.png")
    image.convert("RGB").save(tmp_path / "rgb.png")
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("RGBA").save(tmp_path / "alpha.png")
    image.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    Image.fromarray(coarse.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    image.save(tmp_path / "film.gif", save_all=True, append_images=[image.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 3
    image.rotate(180).save(tmp_path / "turned.jpg", quality=100, exif=exif)
    scored = score(sorted(map(str, tmp_path.iterdir())), record, results)
    assert [one.rows[0].error for one in scored] == [""] * 8
    assert p_fakes(scored) == pytest.approx([p_fakes(scored)[0]] * 8, abs=0.02)


def test_what_is_done_with_a_picture_of_any_size(record: TournamentRecord, results: Store, tmp_path: Path) -> None:
    side = record.config.arena.resolution
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 256, (6, side, side, 3), dtype=np.uint8)
    tiles[..., 1:] = tiles[..., :1]
    rows = [np.concatenate(list(tiles[start : start + 3]), axis=1) for start in (0, 3)]
    margin = np.pad(np.concatenate(rows), ((1, 2), (5, 5), (0, 0)))
    save_png(margin[None], tmp_path, prefix="wide")
    [name] = map(str, tmp_path.iterdir())
    alone = judge_pictures(tiles, detector=DETECTOR, record=record, store=results).verdicts
    [row] = score([name], record, results, framing="tiles")[0].rows
    assert (row.width, row.height, row.how, row.tiles) == (3 * side + 10, 2 * side + 3, "tiles", 6)
    assert row.p_fake == pytest.approx(np.mean([verdict.p_fake for verdict in alone]), abs=1e-6)
    assert row.p_fake_max == pytest.approx(max(verdict.p_fake for verdict in alone), abs=1e-6)
    assert row.verdict == ("fake" if (row.p_fake or 0) >= row.threshold else "real")
    squeezed = np.asarray(Image.fromarray(margin).resize((side, side), Image.Resampling.LANCZOS))[None]
    [whole] = judge_pictures(squeezed, detector=DETECTOR, record=record, store=results).verdicts
    [row] = score([name], record, results, framing="whole")[0].rows
    assert (row.how, row.tiles) == ("whole", None)
    assert row.p_fake == pytest.approx(whole.p_fake, abs=2e-3)  # grey before it is squeezed, or after
    save_png(tiles[:1, : side - 1], tmp_path, prefix="small")
    [row] = score([str(tmp_path / "small-00000.png")], record, results, framing="tiles")[0].rows
    assert (row.how, row.tiles) == ("crop", None)  # smaller than a tile


def test_what_is_found_is_judged_before_a_slow_source_goes_on(
    photographs: list[str], record: TournamentRecord, results: Store
) -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Found]:
        yield Found(name=photographs[0])
        assert go_on.wait(30)
        yield Found(name=photographs[1])

    judges = choose_judges(DETECTOR, record=record, store=results)
    scored = score_pictures(slow(), judges=judges, record=record)
    assert next(scored).rows[0].picture == photographs[0]
    go_on.set()
    assert [one.rows[0].picture for one in scored] == photographs[1:2]


def test_few_pictures_are_found_ahead_and_the_rest_when_they_are_wanted(
    photographs: list[str], record: TournamentRecord, results: Store
) -> None:
    taken = 0

    def endless() -> Iterator[Found]:
        nonlocal taken
        while True:
            taken += 1
            yield Found(name=photographs[taken % 9])

    judges = choose_judges(DETECTOR, record=record, store=results)
    scored = score_pictures(endless(), judges=judges, record=record, workers=2)
    for _ in range(3):
        next(scored)
    assert taken < 12 * BATCH
    scored.close()  # type: ignore[attr-defined]


def test_a_source_that_fails_says_so_after_the_rows_of_what_it_gave(
    photographs: list[str], record: TournamentRecord, results: Store
) -> None:
    def failing() -> Iterator[Found]:
        yield Found(name=photographs[0])
        raise DataError("no list")

    scored = score_pictures(failing(), judges=choose_judges(DETECTOR, record=record, store=results), record=record)
    assert next(scored).rows[0].picture == photographs[0]
    with pytest.raises(DataError, match="no list"):
        next(scored)


def test_the_champion_is_the_best_on_val_of_those_that_are_ranked(record: TournamentRecord, results: Store) -> None:
    versions = newest(record.versions, "detector")
    [champion] = choose_judges("champion", record=record, store=results)
    assert champion.version in versions
    rest = [version for version in versions if version != champion.version]
    gone = Unranked(kind="detector", player=champion.version.player, round=champion.version.round, reason="x")
    without = type(record)(**{**vars(record), "unranked": (gone,)})
    [second] = choose_judges("champion", record=without, store=results)
    assert second.version in rest
    nobody = type(record)(
        **{
            **vars(record),
            "unranked": tuple(Unranked(kind="detector", player=v.player, round=v.round, reason="x") for v in versions),
        }
    )
    with pytest.raises(ConfigError, match="there is no champion; give --detector NAME"):
        choose_judges("champion", record=nobody, store=results)
    assert [judge.version for judge in choose_judges(None, record=record, store=results)] == versions


def test_a_version_that_stayed_is_held_to_the_newest_fakes_as_well(record: TournamentRecord, results: Store) -> None:
    makers = [version for version in record.versions if version.kind == "generator"]
    old = record.find("detector", "first@0")
    assert old.on_val is not None
    assert len(old.on_val.mixture.fakes) < len(makers)
    standing = _standing(old, record=record, store=results)
    assert len(standing.aucs) == len(makers)
    known = read_on_val(old.on_val, results).aucs
    first = [index for index, maker in enumerate(makers) if maker.pools["val"] in old.on_val.mixture.fakes]
    assert [standing.aucs[index] for index in first] == pytest.approx(list(known), abs=1e-6)


def test_a_reliability_diagram_reads_well(check_texts: Any) -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.beta(2, 5, 300), rng.beta(4, 2, 200)
    figures = evaluate(real, fake, val_threshold=0.45, resamples=100, confidence=0.95, seed=0).figures

    def of(name: str) -> LabelledFigures:
        return LabelledFigures(
            detector=name,
            threshold=0.45,
            unit="image",
            units=500,
            confidence=0.95,
            figures=figures,
            reliability=reliability(real, fake),
        )

    for count in (1, 2, 5):
        drawn: Figure = reliability_diagrams([of(f"xception_block{index + 1}@1") for index in range(count)])
        check_texts(drawn)
        assert len(drawn.axes) >= 2 * count
    json.dumps(vars(figures))
