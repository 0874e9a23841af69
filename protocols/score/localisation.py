"""Localisation: whether a patch detector's heatmap lies where a manipulation changed the image.

Chai et al., ECCV 2020, section 4.4 and Fig. 7, read from parts of the face which patches give manipulations away; here
a manipulation's own mask says what was changed. Mass and the pointing game are those of saliency maps (Zhang et al.,
"Top-down neural attention by excitation backprop", ECCV 2016), AUC over pixels and IoU those of image forensics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fakeoff.detectors import ReceptiveField
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.calibration import bound_of_all
from fakeoff.protocols.score.masked_fakes import (
    MaskedFakes,
    Values,
    all_units,
    best_threshold,
    of_patches,
    of_pixels,
    shares_inside,
)
from fakeoff.protocols.score.patches import Floats
from fakeoff.protocols.score.people import People, resample_people

LOCATED = ("mass", "pointing", "patch", "auc", "iou")
"""What is measured of every fake; higher is nearer to the mask."""

_SHUFFLES = 4


@dataclass(frozen=True, kw_only=True)
class Located:
    """One figure in the mean over fakes, beside what knows nothing of them.

    Attributes:
        value: In [0, 1].
        ci: Its interval, by bootstrap over people.
        chance: What is to be expected of a heatmap that has nothing to do with the mask.
        random: The same figure of the same heatmaps with their patches shuffled, each within its image; of ``pointing``
            and ``patch`` what a random patch has.
        gain: ``value`` less ``random``.
        gain_ci: Its interval, of the same resamples.
        prior: The same figure of one heatmap for all fakes, which knows where val's fakes were changed and nothing of
            the image: what a detector has to beat that is to find more than the middle of a face.
        paired: The same figure of the detector's heatmaps of the paired reals, in which nothing was changed, against
            the same masks: a detector that likes faces, and sees no manipulation, has it too. None where nobody says
            which real a fake was made from.
        paired_gain: ``value`` less ``paired``.
        paired_gain_ci: Its interval, of the same resamples.
    """

    value: float
    ci: tuple[float, float]
    chance: float
    random: float
    gain: float
    gain_ci: tuple[float, float]
    prior: float
    paired: float | None = None
    paired_gain: float | None = None
    paired_gain_ci: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class LocalisationFigures:
    """How much of a patch detector's heatmap of P(fake), and of the most predictive patches, lies inside the masks.

    Attributes:
        n: Fakes that were measured.
        left_out: Fakes whose mask has no pixel, or all of them, so that there is nothing to find.
        people: How many were resampled; 0 where nobody says who is on the fakes, and images were.
        area: The share of an image that its mask takes, in the mean.
        threshold: Of P(fake), for ``iou``: the best on val's fakes.
        mass: The share of the heatmap's sum that lies inside.
        pointing: The share of fakes in which the centre of the most predictive patch lies inside.
        patch: The share of the most predictive patch's pixels that lie inside.
        auc: The area under the ROC curve over an image's pixels, in the mean over images.
        iou: Intersection over union of the mask and of the pixels from ``threshold`` upwards.
    """

    n: int
    left_out: int
    people: int
    area: float
    threshold: float
    mass: Located
    pointing: Located
    patch: Located
    auc: Located
    iou: Located


def measure_localisation(
    test: MaskedFakes,
    val: MaskedFakes,
    field: ReceptiveField,
    *,
    paired: Floats | None = None,
    people: Mapping[str, People],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[LocalisationFigures | None, dict[str, npt.NDArray[Any]]]:
    """Measures it.

    Args:
        test: What is measured.
        val: What the threshold of ``iou`` is chosen on.
        field: The detector's.
        paired: What it said of the patches of the real that each fake of test was made from, float32 ``(n, h', w')``;
            None where that is not known.
        people: Who is on each fake of test, int64 ``(n,)``: one array for each way of being on it (as target, as
            source); see :func:`fakeoff.protocols.score.people.resample_people`. Without any, images are resampled.
        resamples: Of the bootstrap.
        confidence: Of the intervals, as a share.
        rng: Of ties, of shuffles and of the bootstrap.

    Returns:
        The figures, None where no fake of test can be measured; and of each that was, ``places`` int64 ``(m,)`` in its
        pool and each of :data:`LOCATED`, float32 ``(m,)``.
    """
    places = test.places()
    used = test.at(places)
    if not len(places):
        return None, {}
    on_val = val.usable()
    threshold = best_threshold(on_val, field)
    found = {**of_pixels(used, field, threshold), **of_patches(used, field, rng=rng)}
    area = used.inside.mean(axis=(1, 2))
    chance = {"mass": area, "pointing": found.pop("any_centre"), "patch": found.pop("any_patch")}
    chance |= {"auc": np.full(len(places), 0.5), "iou": area}  # of IoU: the best is then to say that all was changed
    random = {name: chance[name] for name in ("pointing", "patch")}
    shuffled_at = best_threshold(on_val.shuffled(rng), field)
    shuffles = [of_pixels(used.shuffled(rng), field, shuffled_at) for _ in range(_SHUFFLES)]
    random |= {name: np.mean([shuffle[name] for shuffle in shuffles], axis=0) for name in ("mass", "auc", "iou")}
    prior = _prior(used, on_val, field, rng=rng)
    same: dict[str, Values] = {}
    if paired is not None:
        reals = MaskedFakes(scores=paired[places], masks=used.masks)
        same = {**of_pixels(reals, field, threshold), **of_patches(reals, field, rng=rng)}
    groups = [who[places] for who in people.values()]
    weights, units = resample_people(groups, len(places), resamples=resamples, rng=rng)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(values: Values) -> tuple[float, float]:
        low, high = np.quantile(weights @ values, tails)
        return float(low), float(high)

    located = {}
    for name in LOCATED:
        value = float(found[name].mean())
        ci = interval(found[name])
        gain, gain_ci = found[name] - random[name], interval(found[name] - random[name])
        # Where all fakes have 0, or all have 1, no resample shows what that is worth.
        low, high = bound_of_all(value, *ci, n=units, confidence=confidence)
        gain_ci = (gain_ci[0] + low - ci[0], gain_ci[1] + high - ci[1])
        located[name] = Located(
            value=value,
            ci=(low, high),
            chance=float(chance[name].mean()),
            random=float(random[name].mean()),
            gain=float(gain.mean()),
            gain_ci=gain_ci,
            prior=prior[name],
            **_over_paired(found[name], same.get(name), interval),
        )
    figures = LocalisationFigures(
        n=len(places),
        left_out=len(test.scores) - len(places),
        people=units if groups else 0,
        area=float(area.mean()),
        threshold=threshold,
        **located,
    )
    return figures, {"places": places, **{name: found[name].astype(np.float32) for name in LOCATED}}


def _over_paired(
    found: Values, same: Values | None, interval: Callable[[Values], tuple[float, float]]
) -> dict[str, Any]:
    if same is None:
        return {}
    gain = found - same
    return {"paired": float(same.mean()), "paired_gain": float(gain.mean()), "paired_gain_ci": interval(gain)}


def _prior(
    used: MaskedFakes, on_val: MaskedFakes, field: ReceptiveField, *, rng: np.random.Generator
) -> dict[str, float]:
    """What one heatmap for all has: of each patch, how much of it is changed in the mean over val's fakes."""
    grid = used.scores.shape[1:]
    mean: Values = np.zeros(used.masks[0].shape)
    if len(on_val.masks):
        mean = on_val.inside.mean(axis=0)
    boxes = patches.windows(all_units(grid), field, size=(len(mean), len(mean[0])))
    scores = shares_inside(mean[None], boxes).reshape(1, *grid)
    same, same_on_val = (
        MaskedFakes(scores=scores.repeat(len(fakes.masks), axis=0), masks=fakes.masks) for fakes in (used, on_val)
    )
    found = {
        **of_pixels(same, field, best_threshold(same_on_val, field)),
        **of_patches(same, field, rng=rng),
    }
    return {name: float(found[name].mean()) for name in LOCATED}


__all__ = ["LOCATED", "LocalisationFigures", "Located", "measure_localisation"]
