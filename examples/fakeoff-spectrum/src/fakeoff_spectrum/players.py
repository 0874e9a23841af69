"""A detector that never looks at the picture, only at how its energy falls with frequency.

Durall et al., "Watch your Up-Convolution: CNN Based Generative Deep Neural Networks are Failing to Reproduce
Spectral Distributions", CVPR 2020: up-sampling layers leave too much or too little of the high frequencies,
and the azimuthally averaged power spectrum shows it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import Batch, Detector, Plan

_SMALLEST = 16
# The power of the noise that rounding to 8 bits leaves: below it a spectrum says nothing.
_FLOOR = 1 / (12 * 255**2)
_LEAST_SPREAD = 0.05
# ITU-R 601: luma, and the differences of blue and red from it.
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class SpectrumDetector(Detector):
    """Judges an image by its spectrum's profile: log power by radius, of luma and of both chroma planes.

    The mean is taken out and a Hann window laid over the image, or the jump from one border to the other would
    stand in every frequency. Profiles are standardised and go through a perceptron with one hidden layer. Radii
    are shares of the sampling rate, so the image may have any size from 16 pixels a side.

    Args:
        bands: Radii at which the profile is read, from the lowest frequency to the corner of the spectrum.
        hidden: Units of the hidden layer.
        learning_rate: Adam's.
        weight_decay: Decoupled, of all weights.
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        bands: int = 32,
        hidden: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if bands < 2:
            raise ValueError(f"bands is {bands}; a profile needs at least 2")
        self.bands, self.learning_rate, self.weight_decay = bands, learning_rate, weight_decay
        features = len(_YCBCR) * bands
        self.head = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self._optimiser: torch.optim.AdamW | None = None
        rng = torch.Generator().manual_seed(init_seed)
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=rng)
                nn.init.zeros_(layer.bias)

    mean: Tensor
    spread: Tensor
    seen: Tensor

    def profile(self, images: Tensor) -> Tensor:
        """Reads the spectra.

        Args:
            images: float ``(n, 3, h, w)``, RGB in [0, 1].

        Returns:
            float32 ``(n, 3 * bands)``: natural logarithm of power by radius, of Y, Cb and Cr.

        Raises:
            ValueError: The images are smaller than 16 pixels a side.
        """
        n, _, h, w = images.shape
        if min(h, w) < _SMALLEST:
            raise ValueError(f"images of {w} x {h} pixels are too small for a spectrum; give at least {_SMALLEST}")
        planes = torch.einsum("pc,nchw->nphw", images.new_tensor(_YCBCR, dtype=torch.float32), images.float())
        window = _hann(h, images.device)[:, None] * _hann(w, images.device)
        planes = (planes - planes.mean((2, 3), keepdim=True)) * window
        power = torch.fft.fft2(planes).abs().square().flatten(2) / window.square().sum()  # (n, 3, h * w)
        # A ring is as wide as the shorter side's frequencies lie apart, so that none is empty.
        ring = (_radii(h, w, images.device) * min(h, w)).round().long()
        count = torch.bincount(ring).to(power)
        rings = power.new_zeros(n, len(_YCBCR), len(count)).index_add(2, ring, power) / count
        return _at_bands((rings + _FLOOR).log(), self.bands).flatten(1)

    def logits(self, images: Tensor) -> Tensor:
        """Judges images before the sigmoid; float32 ``(n,)``."""
        # Small products, and logarithms of small powers: nothing for bfloat16.
        with torch.autocast(images.device.type, enabled=False):
            return self._judge(self.profile(images))

    def score(self, images: Tensor) -> Tensor:
        return self.logits(images).sigmoid()

    def evasion_loss(self, images: Tensor) -> Tensor:
        # From the logits: its gradient does not vanish where a score is nearly 1.
        return F.softplus(self.logits(images)).mean()

    def start(self, plan: Plan) -> None:
        rate = plan.rate or self.learning_rate
        self._optimiser = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=self.weight_decay)

    def train_step(self, batch: Batch, *, rng: torch.Generator) -> dict[str, float]:
        images, is_fake = batch.images, batch.labels
        # Nothing is drawn from rng: mirrored images would bring nothing new.
        if self._optimiser is None:
            self.start(Plan(purpose="defend", steps=1, batch=len(images)))
        assert self._optimiser is not None
        with torch.autocast(images.device.type, enabled=False):
            profile = self.profile(images)
            self._get_used_to(profile)
            logits = self._judge(profile)
            loss = F.binary_cross_entropy_with_logits(logits, is_fake.to(logits))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return {"loss": loss.item(), "accuracy": ((logits >= 0) == is_fake).float().mean().item()}

    def _judge(self, profile: Tensor) -> Tensor:
        logits: Tensor = self.head((profile - self.mean) / self.spread)
        return logits.squeeze(1)

    @torch.no_grad()
    def _get_used_to(self, profile: Tensor) -> None:
        """Moves the running statistics: a plain mean over the first hundred batches, a moving one from then on."""
        self.seen += 1
        share = 1 / min(int(self.seen), 100)
        self.mean.lerp_(profile.mean(0), share)
        # A plane of a grey image has no power and no spread; the least one keeps it at 0.
        spread = (profile - self.mean).square().mean(0).sqrt().clamp_min(_LEAST_SPREAD)
        self.spread.lerp_(spread, share)


def _hann(length: int, device: torch.device) -> Tensor:
    # Symmetric, so that a mirrored image has the same profile.
    return torch.hann_window(length, periodic=False, device=device)


def _radii(h: int, w: int, device: torch.device) -> Tensor:
    """The distance of each frequency from zero, in cycles a pixel; ``(h * w,)``."""
    rows, columns = torch.fft.fftfreq(h, device=device), torch.fft.fftfreq(w, device=device)
    return torch.hypot(rows[:, None].expand(h, w), columns.expand(h, w)).flatten()


def _at_bands(rings: Tensor, bands: int) -> Tensor:
    """Interpolates ``(..., rings)`` linearly to ``(..., bands)``, without the ring of frequency zero."""
    place = torch.linspace(1, rings.shape[-1] - 1, bands, device=rings.device)
    low = place.floor().long().clamp_max(rings.shape[-1] - 2)
    return torch.lerp(rings[..., low], rings[..., low + 1], place - low)


__all__ = ["SpectrumDetector"]
