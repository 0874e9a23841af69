"""Every decision of Eq. 2 side by side, from one judging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.score.blind import Judging, Mixture, read_match
from fakeoff.protocols.score.calibration import Thresholds
from fakeoff.protocols.score.metrics import MatchFigures

Floats = npt.NDArray[np.float32]

REAL, FAKE, JUDGED = ("a" * 64, "b" * 64, "c" * 64)
MIXTURE = Mixture(reals=(REAL,), fakes=(FAKE,), seed=1)


def judged(folder: Path, *, real: Floats, fake: Floats, scores: Floats | None = None, kept: bool = True) -> Judging:
    """Stores what a judge said of the patches of both pools, ``(n, h', w')`` each, as a judging does."""
    store = Store(folder)
    pools: dict[str, Result] = {}
    for key, patches in ((REAL, real), (FAKE, fake)):
        places = np.arange(len(patches), dtype=np.uint8).reshape(-1, 1, 1, 1)
        pools[key] = Result(record={"n": len(patches)}, arrays={"images": np.repeat(places, 3, axis=3)})
        store.write(key, pools[key])
    order = MIXTURE._order(len(real) + len(fake))
    patches = np.concatenate([real, fake])[order]
    arrays: dict[str, npt.NDArray[Any]] = {"scores": patches.mean((1, 2)) if scores is None else scores[order]}
    if kept:
        arrays["patches"] = patches
    store.write(JUDGED, Result(record={"n": len(patches)}, arrays=arrays))
    return Judging(key=JUDGED, mixture=MIXTURE)


def figures(judging: Judging, folder: Path, *, keep: bool = False) -> MatchFigures:
    return read_match(
        judging,
        thresholds=Thresholds(accuracy=0.5),
        resamples=200,
        confidence=0.9,
        store=Store(folder),
        fakes="g",
        keep=keep,
    ).figures


def drawn(n: int, *, lean: float, seed: int) -> Floats:
    logits = np.random.default_rng(seed).normal(lean, 4, (n, 3, 4))
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_each_decision_has_the_figures_of_its_own_scores(tmp_path: Path) -> None:
    real, fake = drawn(40, lean=-0.5, seed=0), drawn(60, lean=0.5, seed=1)
    judging = judged(tmp_path, real=real, fake=fake)
    found = figures(judging, tmp_path, keep=True)
    truth, weights = np.repeat([0, 1], [40, 60]), np.repeat([1 / 40, 1 / 60], [40, 60])
    patches = np.concatenate([real, fake]).astype(np.float64)
    logits = np.log(patches / (1 - patches)).clip(-16.6355, 16.6355).mean((1, 2))
    expected = {"before_softmax": 1 / (1 + np.exp(-logits)), "vote": (patches > 0.5).mean((1, 2))}
    for decision, scores in expected.items():
        pooled = getattr(found, decision)
        assert pooled.ap == pytest.approx(average_precision_score(truth, scores, sample_weight=weights))
        assert pooled.auc == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))
        right = (scores >= 0.5) == truth
        assert pooled.accuracy == pytest.approx((right[:40].mean() + right[40:].mean()) / 2)
        for name in ("ap", "auc", "accuracy"):
            low, high = getattr(pooled, f"{name}_ci")
            assert 0 <= low < getattr(pooled, name) < high <= 1
        assert pooled.ap != found.ap
    assert figures(judging, tmp_path) == found  # kept, and read


def test_who_judges_whole_images_or_puts_patches_together_otherwise_has_no_other_decision(tmp_path: Path) -> None:
    real, fake = drawn(10, lean=-1, seed=0), drawn(10, lean=1, seed=1)
    whole = figures(judged(tmp_path / "whole", real=real, fake=fake, kept=False), tmp_path / "whole")
    own = np.concatenate([real, fake]).max((1, 2))
    loudest = figures(judged(tmp_path / "own", real=real, fake=fake, scores=own), tmp_path / "own")
    for found in (whole, loudest):
        assert (found.before_softmax, found.vote) == (None, None)
