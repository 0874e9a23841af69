"""How figures of labelled pictures are printed."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console

from fakeoff.leaderboard.terminal.scoring import print_figures
from fakeoff.protocols.score.metrics import evaluate
from fakeoff.protocols.scoring.figures import LabelledFigures


@pytest.fixture(scope="module")
def figures() -> LabelledFigures:
    rng = np.random.default_rng(0)
    found = evaluate(
        rng.random(30), 0.3 + 0.7 * rng.random(30), val_threshold=0.5, resamples=100, confidence=0.95, seed=0
    ).figures
    return LabelledFigures(
        detector="xception_block1@12", threshold=0.5, confidence=0.95, unit="image", units=60, figures=found,
        reliability=(),
    )  # fmt: skip


@pytest.mark.parametrize("width", [110, 160])
def test_no_interval_is_broken_at_any_width(width: int, figures: LabelledFigures) -> None:
    text = io.StringIO()
    print_figures([figures], Console(file=text, width=width))
    assert len(re.findall(r"\(\d\.\d{3} to \d\.\d{3}\)", text.getvalue())) == 3
    assert max(map(len, text.getvalue().splitlines())) <= width


@pytest.mark.parametrize("swapped", [False, True])
def test_who_is_below_chance_is_told_what_that_may_be(swapped: bool) -> None:
    rng = np.random.default_rng(0)
    low, high = rng.random(60) / 2, 0.3 + rng.random(60) / 2
    real, fake = (high, low) if swapped else (low, high)
    found = evaluate(real, fake, val_threshold=0.5, resamples=100, confidence=0.95, seed=0).figures
    told = LabelledFigures(
        detector="ours@0", threshold=0.5, confidence=0.95, unit="image", units=120, figures=found, reliability=()
    )
    text = io.StringIO()
    print_figures([told], Console(file=text, width=160))
    assert ("--set detectors.ours.fake_class=0" in text.getvalue()) == swapped
