"""Localisation: whether a patch detector's heatmap lies where a manipulation changed the image.

Chai et al., ECCV 2020, section 4.4 and Fig. 7, read from parts of the face which patches give manipulations away; here
a manipulation's own mask says what was changed. Mass and the pointing game are those of saliency maps (Zhang et al.,
"Top-down neural attention by excitation backprop", ECCV 2016), AUC over pixels and IoU those of image forensics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from fakeoff.arena.images import Masks
from fakeoff.detectors import ReceptiveField
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.calibration import bound_of_all
from fakeoff.protocols.score.patches import Floats, Indices, Truth

Values: TypeAlias = npt.NDArray[np.float64]
People: TypeAlias = npt.NDArray[np.int64]

LOCATED = ("mass", "pointing", "patch", "auc", "iou")
"""What is measured of every fake; higher is nearer to the mask."""

_INSIDE = 128  # of 255: a pixel that is changed by half or more lies inside
_FAKE: Truth = "fake"
_SHUFFLES = 4
_CANDIDATES = 100
_AT_A_TIME = 32


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


@dataclass(frozen=True, kw_only=True)
class MaskedFakes:
    """What a patch detector said of fakes, and what was changed of them.

    Attributes:
        scores: float32 ``(n, h', w')``: P(fake) of each patch.
        masks: uint8 ``(n, h, w)``, 255 where all was changed, at the size at which the detector was shown the images.
    """

    scores: Floats
    masks: Masks

    def usable(self) -> MaskedFakes:
        """Those of which some pixels were changed and some were not."""
        return self.at(self.places())

    def places(self) -> Indices:
        """Which these are, int64."""
        inside = self.inside.mean(axis=(1, 2))
        return np.flatnonzero((inside > 0) & (inside < 1))

    def at(self, places: Indices) -> MaskedFakes:
        """Some of them."""
        return MaskedFakes(scores=self.scores[places], masks=self.masks[places])

    def shuffled(self, rng: np.random.Generator) -> MaskedFakes:
        """The same with the patches of each image in another order."""
        if not len(self.scores):
            return self
        flat = self.scores.reshape(len(self.scores), -1)
        return MaskedFakes(scores=rng.permuted(flat, axis=1).reshape(self.scores.shape), masks=self.masks)

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which pixels were changed by half or more."""
        return self.masks >= _INSIDE


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
            source). A resample of people weighs a fake by the product over all who are on it, since two fakes with one
            person in common are not independent (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1).
            Without any, images are resampled.
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
    threshold = _best_threshold(on_val, field)
    found = {**_of_pixels(used, field, threshold), **_of_patches(used, field, rng=rng)}
    area = used.inside.mean(axis=(1, 2))
    chance = {"mass": area, "pointing": found.pop("any_centre"), "patch": found.pop("any_patch")}
    chance |= {"auc": np.full(len(places), 0.5), "iou": area}  # of IoU: the best is then to say that all was changed
    random = {name: chance[name] for name in ("pointing", "patch")}
    shuffled_at = _best_threshold(on_val.shuffled(rng), field)
    shuffles = [_of_pixels(used.shuffled(rng), field, shuffled_at) for _ in range(_SHUFFLES)]
    random |= {name: np.mean([shuffle[name] for shuffle in shuffles], axis=0) for name in ("mass", "auc", "iou")}
    prior = _prior(used, on_val, field, rng=rng)
    same: dict[str, Values] = {}
    if paired is not None:
        reals = MaskedFakes(scores=paired[places], masks=used.masks)
        same = {**_of_pixels(reals, field, threshold), **_of_patches(reals, field, rng=rng)}
    groups = [who[places] for who in people.values()]
    weights, units = _resample(groups, len(places), resamples=resamples, rng=rng)
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
    boxes = patches.windows(_units(grid), field, size=(len(mean), len(mean[0])))
    scores = _shares(mean[None], boxes).reshape(1, *grid)
    same, same_on_val = (
        MaskedFakes(scores=scores.repeat(len(fakes.masks), axis=0), masks=fakes.masks) for fakes in (used, on_val)
    )
    found = {
        **_of_pixels(same, field, _best_threshold(same_on_val, field)),
        **_of_patches(same, field, rng=rng),
    }
    return {name: float(found[name].mean()) for name in LOCATED}


def _of_pixels(fakes: MaskedFakes, field: ReceptiveField, threshold: float) -> dict[str, Values]:
    """Mass, AUC and IoU of each fake, ``(n,)``."""
    found: dict[str, list[Values]] = {"mass": [], "auc": [], "iou": []}
    for start in range(0, len(fakes.scores), _AT_A_TIME):
        heat, inside = _pixels(fakes, field, slice(start, start + _AT_A_TIME))
        changed = inside.sum(axis=1)
        whole = heat.sum(axis=1)
        found["mass"].append(
            np.where(whole > 0, (heat * inside).sum(axis=1) / np.where(whole > 0, whole, 1), inside.mean(axis=1))
        )
        above = (rankdata(heat, axis=1) * inside).sum(axis=1) - changed * (changed + 1) / 2
        found["auc"].append(above / (changed * (inside.shape[1] - changed)))
        called = heat >= threshold
        found["iou"].append((called & inside).sum(axis=1) / (called | inside).sum(axis=1))
    return {name: np.concatenate(values) for name, values in found.items()}


def _best_threshold(fakes: MaskedFakes, field: ReceptiveField) -> float:
    """The threshold with the best IoU in the mean over fakes; of equals the middle one; 0.5 where there are none."""
    if not len(fakes.scores):
        return 0.5
    levels = np.unique(np.quantile(fakes.scores.astype(np.float64), np.linspace(0, 1, _CANDIDATES + 1)))
    candidates = np.concatenate([levels, (levels[1:] + levels[:-1]) / 2])  # pixels between patches have others, too
    candidates.sort()
    sums = np.zeros(len(candidates))
    for start in range(0, len(fakes.scores), _AT_A_TIME):
        heat, inside = _pixels(fakes, field, slice(start, start + _AT_A_TIME))
        for values, changed in zip(heat, inside, strict=True):
            hits, others = (
                len(side) - np.searchsorted(np.sort(side), candidates) for side in (values[changed], values[~changed])
            )
            sums += hits / (changed.sum() + others)
    best = np.flatnonzero(sums >= sums.max() - 1e-9)
    return float(candidates[best[len(best) // 2]])


def _pixels(fakes: MaskedFakes, field: ReceptiveField, part: slice) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Heatmaps and masks of some fakes, pixel by pixel: float64 and bool ``(k, h * w)``."""
    inside = fakes.inside[part]
    heat = patches.align(fakes.scores[part], field, size=(inside.shape[1], inside.shape[2]))
    return heat.reshape(len(heat), -1).astype(np.float64), inside.reshape(len(inside), -1)


def _of_patches(fakes: MaskedFakes, field: ReceptiveField, *, rng: np.random.Generator) -> dict[str, Values]:
    """Of each fake, ``(n,)``: whether its most predictive patch points inside, and how much of it lies there; and both
    in the mean over all patches, as ``any_centre`` and ``any_patch``."""
    inside, grid = fakes.inside, fakes.scores.shape[1:]
    height, width = inside.shape[1:]
    units = _units(grid)
    middle = np.floor(field.offset + units * field.stride + (field.size - 1) / 2).astype(np.int64)
    middle = np.clip(middle, 0, [height - 1, width - 1])
    centres = inside[:, middle[:, 0], middle[:, 1]].astype(np.float64)  # (n, h' * w')
    shares = _shares(inside, patches.windows(units, field, size=(height, width)))
    chosen, _ = patches.most_predictive(fakes.scores, truth=_FAKE, rng=rng)
    at = (np.arange(len(inside)), chosen[:, 0] * grid[1] + chosen[:, 1])
    return {
        "pointing": centres[at],
        "patch": shares[at],
        "any_centre": centres.mean(axis=1),
        "any_patch": shares.mean(axis=1),
    }


def _units(grid: tuple[int, ...]) -> Indices:
    """All patches of a grid, row by row; int64 ``(h' * w', 2)``."""
    return np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1).reshape(-1, 2)


def _shares(inside: npt.NDArray[Any], boxes: Indices) -> Values:
    """How much of each patch lies inside, float64 ``(n, k)``; of ``(n, h, w)`` and of boxes ``(k, 4)``."""
    n, height, width = inside.shape
    table = np.zeros((n, height + 1, width + 1))
    np.cumsum(np.cumsum(inside, axis=1), axis=2, out=table[:, 1:, 1:])
    top, left, bottom, right = boxes.T
    changed = table[:, bottom, right] - table[:, top, right] - table[:, bottom, left] + table[:, top, left]
    shares: Values = changed / ((bottom - top) * (right - left))
    return shares


def _resample(groups: Sequence[People], n: int, *, resamples: int, rng: np.random.Generator) -> tuple[Values, int]:
    """Weights of fakes in resamples of people, ``(resamples, n)``, each row of sum 1; and how many people there are.

    A resample in which nobody's fakes are left is drawn again. Without people the images are drawn.
    """
    if not groups:
        return rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n, n
    who, of = np.unique(np.stack(groups), return_inverse=True)
    on_it = of.reshape(len(groups), n)
    weights = np.empty((0, n))
    while len(weights) < resamples:
        drawn = rng.multinomial(len(who), np.full(len(who), 1 / len(who)), size=resamples).astype(np.float64)
        product = drawn[:, on_it].prod(axis=1)
        weights = np.concatenate([weights, product[product.any(axis=1)]])[:resamples]
    return weights / weights.sum(axis=1, keepdims=True), len(who)


__all__ = ["LOCATED", "LocalisationFigures", "Located", "MaskedFakes", "measure_localisation"]
