"""A detector that sees no picture, only how its power falls with frequency: no network, and no gradient.

Upsampling layers leave too much or too little of the high frequencies, and the azimuthally averaged power spectrum
shows it: Durall et al., "Watch your Up-Convolution", CVPR 2020; Dzanic et al., "Fourier Spectrum Discrepancies in Deep
Network Generated Images", NeurIPS 2020.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakeoff.arena.players.plan import Batches
from fakeoff.arena.seeds import sealed
from fakeoff.detectors.interface import Detector

Floats: TypeAlias = npt.NDArray[np.float64]

_FEWEST_PIXELS = 8
_CORNER = 0.5**0.5  # the highest frequency of a grid of pixels, in cycles a pixel
# Rounding to 8 bits adds noise of this power to every frequency; what is below it cannot be told.
_ROUNDING_POWER = 1 / (12 * 255**2)
_LEAST_SPREAD = 0.02  # of a feature: one that hardly varies, as chroma of a grey image, is not blown up
_ITERATIONS = 2000
# Luma and both chroma differences of ITU-R BT.601, from RGB in [0, 1].
_LUMA = np.array([0.299, 0.587, 0.114])
_PLANES = np.stack(
    [
        _LUMA,
        (np.array([0.0, 0.0, 1.0]) - _LUMA) / (2 - 2 * 0.114),
        (np.array([1.0, 0.0, 0.0]) - _LUMA) / (2 - 2 * 0.299),
    ]
)


class PowerSpectrum(Detector):
    """Logistic regression on the azimuthally averaged log power spectrum of luma and chroma.

    It learns by ``fit``, from everything at once. Its features are made with NumPy, so no gradient flows back to the
    images: an attack passes it over. Radii are in cycles a pixel: images of any size from 8 pixels have as many.

    Args:
        bins: Radii, evenly from frequency 0 to the corner of the spectrum, from 2.
        inverse_penalty: Of the squared weights: scikit-learn's ``C``. The smaller, the smoother.
    """

    differentiable = False

    def __init__(self, *, bins: int = 32, inverse_penalty: float = 1.0) -> None:
        super().__init__()
        self.check_parameters({"bins": bins, "inverse_penalty": inverse_penalty})
        self.bins, self.inverse_penalty = bins, inverse_penalty
        features = len(_PLANES) * bins
        self.register_buffer("mean", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(features, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros((), dtype=torch.float64))

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, Any]) -> None:
        if parameters["bins"] < 2:
            raise ValueError(f"bins is {parameters['bins']}; a profile has at least 2")
        if not parameters["inverse_penalty"] > 0:
            raise ValueError(f"inverse_penalty is {parameters['inverse_penalty']}; give a number above 0")

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def profile(self, images: Tensor) -> Floats:
        """How power falls with frequency.

        The mean is taken out and a Hann window laid over the image, or the jump from one border to the other would
        stand in every frequency.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            ``(n, 3 * bins)``: the natural logarithm of mean power by radius, of Y, Cb and Cr. Radii of which small
            images have no frequency are interpolated.

        Raises:
            ValueError: A side has fewer than 8 pixels.
        """
        h, w = images.shape[-2:]
        if min(h, w) < _FEWEST_PIXELS:
            raise ValueError(f"images of {w} x {h} pixels are too small for a spectrum; give {_FEWEST_PIXELS} or more")
        pixels = images.detach().cpu().double().numpy()
        # One by one: at 1024 pixels a single one's spectrum takes 25 MB.
        return np.stack([_profile(image, self.bins) for image in pixels])

    def score(self, images: Tensor) -> Tensor:
        mean, spread, weight = (buffer.cpu().numpy() for buffer in (self.mean, self.spread, self.weight))
        logits = (self.profile(images) - mean) / spread @ weight + float(self.bias)
        return torch.from_numpy(logits).sigmoid().float().to(images.device)

    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        with sealed("import", "scikit-learn"):  # here: it takes a second, and draws from Python's own generator
            from sklearn.linear_model import LogisticRegression

        # Nothing is drawn from rng: the optimum is one, wherever one starts.
        shown = [(self.profile(batch.images), batch.labels.cpu().numpy()) for batch in batches()]
        profiles = np.concatenate([profile for profile, _ in shown])
        is_fake = np.concatenate([labels for _, labels in shown])
        mean, spread = profiles.mean(0), np.maximum(profiles.std(0), _LEAST_SPREAD)
        # Balanced, or scores would drift towards fake with every round's fakes in the history.
        model = LogisticRegression(C=self.inverse_penalty, class_weight="balanced", max_iter=_ITERATIONS)
        model.fit((profiles - mean) / spread, is_fake)
        learnt = {"mean": mean, "spread": spread, "weight": model.coef_[0], "bias": model.intercept_[0]}
        for name, value in learnt.items():
            buffer = getattr(self, name)
            buffer.copy_(torch.as_tensor(value, dtype=buffer.dtype))
        right = model.predict((profiles - mean) / spread) == is_fake
        return {"accuracy": float((right[is_fake].mean() + right[~is_fake].mean()) / 2)}


@dataclass(frozen=True, kw_only=True)
class _Rings:
    """Which frequencies of a spectrum are of which radius.

    Attributes:
        order: Places of the half plane's frequencies, flattened, without 0, by radius.
        counts: Of each of them, how often it is in the whole plane: once or twice.
        starts: Where each radius begins in that order.
        centres: Of the radii that have frequencies, in cycles a pixel.
        window: ``(h, w)``.
    """

    order: npt.NDArray[np.intp]
    counts: Floats
    starts: npt.NDArray[np.intp]
    centres: Floats
    window: Floats


def _profile(image: Floats, bins: int) -> Floats:
    """``(3, h, w)``, RGB in [0, 1], to ``(3 * bins,)``."""
    rings = _rings(image.shape[1], image.shape[2], bins)
    planes = np.tensordot(_PLANES, image, axes=1)
    planes = (planes - planes.mean((1, 2), keepdims=True)) * rings.window
    half = np.abs(np.fft.rfft2(planes)).reshape(len(planes), -1)[:, rings.order]
    power = half**2 / np.square(rings.window).sum()
    total = np.add.reduceat(power * rings.counts, rings.starts, axis=1)
    profile = np.log(total / np.add.reduceat(rings.counts, rings.starts) + _ROUNDING_POWER)
    return np.concatenate([np.interp(_centres(bins), rings.centres, plane) for plane in profile])


@functools.lru_cache(maxsize=8)
def _rings(h: int, w: int, bins: int) -> _Rings:
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    counts = np.full(radius.shape, 2.0)  # a real image's spectrum is symmetric, and half of it is enough
    counts[:, 0] = 1
    if w % 2 == 0:
        counts[:, -1] = 1
    places = np.minimum((radius / _CORNER * bins).astype(int), bins - 1).ravel()
    order = np.argsort(places, kind="stable")
    order = order[order != 0]  # frequency 0
    found, starts = np.unique(places[order], return_index=True)
    return _Rings(
        order=order,
        counts=counts.ravel()[order],
        starts=starts,
        centres=_centres(bins)[found],
        # Symmetric, so that a mirrored image has the same profile.
        window=np.hanning(h)[:, None] * np.hanning(w),
    )


def _centres(bins: int) -> Floats:
    return np.linspace(0.5, bins - 0.5, bins) * (_CORNER / bins)


__all__ = ["PowerSpectrum"]
