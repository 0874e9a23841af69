"""The colours of all pictures: they mean one thing each, and the colour-blind tell them apart."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure
from skimage.color import deltaE_ciede2000, rgb2lab

import fakeoff
from fakeoff.protocols.drawing import inks
from fakeoff.protocols.drawing.maps import PASSED_TO_CAUGHT, REAL_TO_FAKE, explain, hold_all, lower_end

ROOT = Path(fakeoff.__file__).parent
Floats = npt.NDArray[np.float64]

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
# severity 1.0, of linear RGB.
SIGHTS = {
    "all colours": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
APART = 30.0
"""CIEDE2000; from 10 on two colours are told apart at a glance, and paint shops call 5 another colour."""


def rgb(colour: str) -> Floats:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255


def linear(colours: Floats) -> Floats:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def seen(colours: Floats, sight: str) -> Floats:
    """Colours ``(n, 3)`` as somebody sees them, in CIELAB."""
    simulated = np.clip(linear(colours) @ np.array(SIGHTS[sight]).T, 0, 1)
    encoded = np.where(simulated <= 0.0031308, 12.92 * simulated, 1.055 * simulated ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(encoded[None])[0])


def apart(one: str, other: str, sight: str) -> float:
    first, second = seen(np.stack([rgb(one), rgb(other)]), sight)
    return float(deltaE_ciede2000(first, second))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 has it, from 1 to 21."""
    low, high = sorted(float(linear(rgb(colour)) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_sees_that_red_and_green_are_one_to_many() -> None:
    """Were it blind itself, the following would hold of anything."""
    assert apart("#a11b1b", "#5a6b1b", "all colours") > APART
    assert apart("#a11b1b", "#5a6b1b", "deuteranopia") < APART / 2


@pytest.mark.parametrize("sight", SIGHTS)
def test_everybody_tells_real_from_fake_and_passed_from_caught(sight: str) -> None:
    assert apart(inks.REAL, inks.FAKE, sight) > APART
    assert apart(inks.PASSED, inks.CAUGHT, sight) > APART


@pytest.mark.parametrize("sight", SIGHTS)
def test_everybody_tells_lines_from_each_other_and_none_is_real_or_fake(sight: str) -> None:
    assert min(apart(one, other, sight) for one, other in combinations(inks.LINES, 2)) > 10
    if sight == "all colours":
        assert min(apart(line, ink, sight) for line in inks.LINES for ink in (inks.REAL, inks.FAKE)) > 15


@pytest.mark.parametrize("sight", ["protanopia", "deuteranopia"])
def test_where_two_hues_are_left_the_codes_agree(sight: str) -> None:
    """Fakes that pass are like what is real, those that are caught like what is called fake."""
    assert apart(inks.PASSED, inks.REAL, sight) < apart(inks.PASSED, inks.FAKE, sight) / 3
    assert apart(inks.CAUGHT, inks.FAKE, sight) < apart(inks.CAUGHT, inks.REAL, sight) / 2


@pytest.mark.parametrize("ink", [inks.REAL, inks.FAKE, inks.PASSED, inks.CAUGHT])
def test_inks_are_read_on_light_and_dark_terminals(ink: str) -> None:
    assert contrast(ink, "#ffffff") > 3
    assert contrast(ink, "#1e1e1e") > 3


@pytest.mark.parametrize("sight", SIGHTS)
def test_a_heatmap_goes_from_real_to_fake_and_each_half_one_way(sight: str) -> None:
    along = seen(REAL_TO_FAKE(np.linspace(0, 1, 41))[:, :3], sight)
    middle = len(along) // 2
    assert apart_from(along[0], along[-1]) > APART
    distances = [apart_from(one, along[middle]) for one in along]
    assert all(further > nearer for further, nearer in pairwise(distances[: middle + 1])), "real, surer to the left"
    assert all(further > nearer for nearer, further in pairwise(distances[middle:])), "fake, surer to the right"
    assert np.all(np.diff(along[middle:, 0]) < 0)
    assert np.all(np.diff(along[: middle + 1, 0]) > 0)


def apart_from(one: Floats, other: Floats) -> float:
    return float(deltaE_ciede2000(one, other))


def test_the_two_ends_of_a_heatmap_are_the_inks() -> None:
    for share, ink in ((0.0, inks.REAL), (1.0, inks.FAKE)):
        assert np.allclose(REAL_TO_FAKE(share)[:3], rgb(ink), atol=0.02)


@pytest.mark.parametrize(("dark", "text"), [(False, inks.INK), (False, "#000000"), (True, "#eceff3")])
def test_figures_are_read_on_every_level(dark: bool, text: str) -> None:
    levels = inks.levels(9, dark=dark)
    assert min(contrast(level, text) for level in levels) > 4.5
    assert len(set(levels)) == 9
    assert np.allclose(PASSED_TO_CAUGHT([0.0, 1.0])[:, :3], [rgb(inks.levels(9)[end]) for end in (0, -1)], atol=0.01)


@pytest.mark.parametrize(
    ("values", "begins"),
    [([0.7], 0.5), ([0.4, 0.9], 0.4), ([0.41], 0.4), ([0.39], 0.35), ([np.nan, 0.6], 0.5), ([], 0.5), ([0.0], 0)],
)
def test_a_scale_holds_what_it_shows(values: list[float], begins: float) -> None:
    assert lower_end(values, at_most=0.5) == pytest.approx(begins)


def test_an_axis_holds_what_is_drawn_in_any_of_its_panels() -> None:
    panels = Figure().subplots(1, 2, sharey=True)
    panels[0].plot([0, 1], [0.9, 0.12])
    panels[1].plot([0, 1], [0.9, 0.5])
    hold_all(panels, at_most=0.25)
    assert [one.get_ylim()[0] for one in panels] == pytest.approx([0.1, 0.1])
    hold_all(panels[1:], at_most=0.25)
    assert panels[1].get_ylim()[0] == pytest.approx(0.25)


@pytest.mark.parametrize("low", [0.5, 0.45, 0.2])
def test_the_scale_of_a_matrix_says_who_wins_at_its_ends(low: float) -> None:
    figure = Figure()
    axes = figure.subplots()
    picture = axes.imshow([[low, 1.0]], cmap=PASSED_TO_CAUGHT, vmin=low, vmax=1)
    explain(figure, picture, label="accuracy", percent=True, beside=[axes])
    told = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert told[0] == f"{low:.0%}\nfakes pass"
    assert told[-1] == "100%\ncaught"


def test_no_picture_has_a_colour_of_its_own() -> None:
    """Else the same hue would mean real here and fake there, as it did."""
    own = re.compile(r"#[0-9a-f]{6}\b|\b(RdBu|RdYl|coolwarm|bwr|seismic|PuOr|tab10|Spectral|jet)\w*", re.IGNORECASE)
    drawn = [*(ROOT / "leaderboard" / "plots").glob("*.py"), *(ROOT / "protocols").rglob("*.py")]
    found = {
        str(path.relative_to(ROOT)): own.findall(path.read_text()) for path in drawn if own.search(path.read_text())
    }
    assert list(found) == ["protocols/drawing/inks.py"]
    levels = re.findall(r"--(?:l\d|fake|real): *#", (ROOT / "leaderboard/report/templates/report.css").read_text())
    assert not levels
