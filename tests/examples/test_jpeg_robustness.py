"""The example of an experiment: played by toys, and its claims checked."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.experiments import play_experiment
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols import protocols
from fakeoff.protocols.config import parse_config

EXAMPLE = Path(__file__).parents[2] / "examples" / "jpeg_robustness.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return sys.modules[load_plugin_file(EXAMPLE).module]


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    example: ModuleType,
    toy_config: Callable[..., Any],
) -> tuple[dict[str, Any], Path]:
    home = make_home(tmp_path_factory.mktemp("home"))
    config = toy_config(
        protocol={"plugin": "jpeg_robustness", "parameters": {"qualities": [90, 5]}},
        detectors=[{"plugin": "toy_detector"}, {"plugin": "toy_brightness"}],
        defend={"steps": 60, "batch": 16, "check_every": 20},
    )
    quiet = Console(file=io.StringIO())
    return play_experiment(config, home=Home(home), executor=SerialExecutor(), console=quiet), home


def test_every_detector_is_judged_at_every_quality(played: tuple[dict[str, Any], Path]) -> None:
    result, _ = played
    rows = result["tables"]["AP by JPEG quality"]
    pairs = ["toy_brightness on toy_generator", "toy_detector on toy_generator"]
    assert [(row["detector"], row["test images"]) for row in rows] == [
        (pair, images) for pair in pairs for images in ("lossless", "JPEG 90", "JPEG 5")
    ]
    assert all(row["AP from"] - 1e-9 <= row["AP"] <= row["AP to"] + 1e-9 for row in rows)
    for pair in pairs:
        logged = result["points"][f"ap by JPEG quality/{pair}"]
        assert logged == {
            row["test images"].removeprefix("JPEG "): row["AP"]
            for row in rows
            if row["detector"] == pair and row["test images"] != "lossless"
        }
    assert result["forfeits"] == []


@pytest.mark.slow
def test_jpeg_hides_fakes_from_a_real_detector(example: ModuleType, tmp_path: Path) -> None:
    config = parse_config(
        {
            "detectors": [{"plugin": "xception_block1"}],
            "protocol": {"plugin": "jpeg_robustness", "parameters": {"qualities": [90, 10]}},
        },
        where="test",
    )
    quiet = Console(file=io.StringIO())
    result = play_experiment(config, home=Home(tmp_path), executor=SerialExecutor(), console=quiet)
    lossless, light, heavy = result["tables"]["AP by JPEG quality"]
    assert lossless["AP"] > 0.99
    assert light["AP"] > 0.98
    assert heavy["AP to"] < light["AP from"] - 0.05


def test_both_sides_are_compressed(played: tuple[dict[str, Any], Path]) -> None:
    _, home = played
    store = Store(home / "store")
    kept = [store.read(path.name) for path in (home / "store").glob("??/*")]
    judged = [result.arrays["scores"] for result in kept if len(result.arrays.get("scores", ())) == 96]
    # Two detectors at lossless images and at two qualities: no score is what it was.
    assert len(judged) == 6
    assert len({np.sort(scores).tobytes() for scores in judged}) == 6


def test_images_go_through_jpeg_and_back(example: ModuleType) -> None:
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    pixels = np.broadcast_to(ramp[None, None, :, None], (2, 32, 32, 3)) ^ np.uint8(8)
    errors = [np.abs(example.compress(pixels, quality).astype(int) - pixels).mean() for quality in (100, 50, 5)]
    assert example.compress(pixels, 50).shape == pixels.shape
    assert example.compress(pixels, 50).dtype == np.uint8
    assert errors[0] < errors[1] < errors[2]


def test_its_figure_is_readable(played: tuple[dict[str, Any], Path], example: ModuleType) -> None:
    result, home = played
    file = home / "experiments" / "jpeg_robustness" / "AP by JPEG quality.png"
    assert np.asarray(Image.open(file)).std() > 20
    rows = result["tables"]["AP by JPEG quality"]
    figure = example.draw(rows, np.full((16, 16, 3), 90, dtype=np.uint8), confidence=0.95)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    height, width = np.asarray(canvas.buffer_rgba()).shape[:2]
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(canvas.get_renderer())
            assert box.x0 >= -1, text
            assert box.y0 >= -1, text
            assert box.x1 <= width + 1, text
            assert box.y1 <= height + 1, text
    [axes] = [axes for axes in figure.axes if axes.get_ylabel() == "average precision"]
    legend = axes.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 2


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_jpeg_does_not_have_is_refused(example: ModuleType, quality: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 100"):
        protocols.build("jpeg_robustness", {"qualities": (90, quality)})
