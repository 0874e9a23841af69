"""A mixture of factor analysers over whole images: a generator with an exact likelihood.

Richardson and Weiss, "On GANs and GMMs", NeurIPS 2018: it misses no mode and blurs. ``fit`` learns it by expectation
maximisation (section 3.2), ``train_step`` by the gradient of its likelihood, which is what an attack adds to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.plan import Batches, Plan
from fakeoff.generators.factor_analysis import FactorAnalysers, expectation_maximisation, k_means_start
from fakeoff.generators.interface import ExtraLoss, Generator

_LEVELS = 255
# Weights and noise are logarithms: a step of the size that suits a pixel would hardly move them.
_RATE_OF_LOGARITHMS = 10.0
_START_SPREAD, _START_NOISE = 0.1, 0.1


class GaussianMixture(Generator):
    """A Gaussian mixture over whole images, each component of low rank plus a diagonal.

    A latent chooses the component with its first entry, through the normal distribution function and by the components'
    weights; the others are coordinates on the component's factors, and with ``noise`` one for each pixel's noise.

    Args:
        resolution: Height and width of the images in pixels.
        channels: 1 makes grey images (returned as RGB), 3 makes colour.
        components: Gaussians in the mixture.
        factors: Rank of each component's covariance without its diagonal.
        noise: How much of the diagonal noise is in the images: 1 draws from the whole density, 0 leaves the noise out,
            as the figures of Richardson and Weiss do: it is white, and shows as grain.
        least_noise: The least standard deviation of the diagonal noise, in pixel values from 0 to 1.
        rounds: Of expectation maximisation at most, in ``fit``.
        tolerance: ``fit`` ends when a round gains fewer nats a dimension.
        learning_rate: Adam's, of means and factors; weights and noise, which are logarithms, take ten times that.
        attack_lr: Likewise in an attack.
        weights: Pretrained weights: a name that ships (``gmm-orl-64``), a ``.safetensors`` file, or none (``""``).
        init_seed: Of the initial weights.
    """

    def __init__(
        self,
        *,
        resolution: int = 64,
        channels: Literal[1, 3] = 1,
        components: int = 12,
        factors: int = 30,
        noise: float = 0.0,
        least_noise: float = 0.09,
        rounds: int = 100,
        tolerance: float = 1e-4,
        learning_rate: float = 2e-3,
        attack_lr: float = 1e-3,
        weights: str | None = "gmm-orl-64",
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        if resolution < 2:
            raise ValueError(f"resolution is {resolution}; give 2 or more pixels")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; give 1 (grey) or 3 (colour)")
        dimensions = channels * resolution**2
        if components < 1 or not 1 <= factors < dimensions:
            raise ValueError(
                f"components is {components} and factors {factors}; give at least 1 of each, and fewer factors than "
                f"the {dimensions} values of an image"
            )
        if noise < 0 or least_noise <= 0:
            raise ValueError(f"noise is {noise} and least_noise {least_noise}; give 0 or more, and more than 0")
        del weights  # the arena loads them into the state dict
        self.resolution, self.channels = resolution, channels
        self.noise, self.least_noise = noise, least_noise
        self.rounds, self.tolerance = rounds, tolerance
        self.learning_rate, self.attack_lr = learning_rate, attack_lr
        self.latent_dim = 1 + factors + (dimensions if noise else 0)
        rng = torch.Generator().manual_seed(init_seed)
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(0.5 + _START_SPREAD * torch.randn(components, dimensions, generator=rng))
        spread = _START_SPREAD / math.sqrt(factors)
        self.factors = nn.Parameter(spread * torch.randn(components, factors, dimensions, generator=rng))
        self.log_noise = nn.Parameter(torch.full((components, dimensions), 2 * math.log(_START_NOISE)))
        self._optimiser: torch.optim.Adam | None = None

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        # bfloat16 would round the mean of a dark pixel by a level.
        with torch.autocast(z.device.type, enabled=False):
            chosen = F.one_hot(self._component(z), len(self.means)).to(self.means)
            rank = self.factors.shape[1]
            # All components at once, those not chosen with coordinates of zero: one product, and no copy of a component
            # for each image.
            coordinates = (chosen[:, :, None] * z[:, None, 1 : 1 + rank].float()).flatten(1)
            flat = chosen @ self.means + coordinates @ self.factors.flatten(0, 1)
            if self.noise:
                deviation = self.noise * torch.exp(0.5 * (chosen @ self.log_noise))
                flat = flat + z[:, 1 + rank :].float() * deviation
        return self._to_images(flat)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        mixture, points = self._mixture(torch.float64), self._points(images).double()
        component = mixture.log_joint(points).argmax(1)
        share = mixture.log_weights.exp()
        middle = torch.special.ndtri(share.cumsum(0) - share / 2)
        rows = []
        for point, index in zip(points.split(1), component.tolist(), strict=True):
            z = mixture.coordinates(point, index)
            row = [middle[index].view(1, 1), z]
            if self.noise:  # what the factors leave over, so that nothing is lost
                left = point - mixture.means[index] - z @ mixture.factors[index]
                row.append(left * torch.exp(-0.5 * mixture.log_noise[index]) / self.noise)
            rows.append(torch.cat(row, dim=1))
        return torch.cat(rows).float()

    @torch.no_grad()
    def log_likelihood(self, images: Tensor) -> Tensor:
        """The log density of images in nats, in float64; of grey images that of their mean over the channels.

        It is a density over pixel values from 0 to 1, with the whole diagonal noise, whatever ``noise`` is.

        Args:
            images: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].

        Returns:
            float64 ``(n,)``.
        """
        return self._mixture(torch.float64).log_density(self._points(images).double())

    def bits_per_dimension(self, images: Tensor) -> Tensor:
        """What 8-bit images cost in bits for each value of a pixel: ``log2(255) - log_likelihood / (d log 2)``.

        A level is ``1 / 255`` wide. For a bound on the probability of the levels themselves, add uniform noise of that
        width to the images first (Theis et al., "A note on the evaluation of generative models", ICLR 2016).

        Args:
            images: float32 ``(n, 3, resolution, resolution)``, RGB in [0, 1].

        Returns:
            float64 ``(n,)``.
        """
        return math.log2(_LEVELS) - self.log_likelihood(images) / (self.means.shape[1] * math.log(2))

    def start(self, plan: Plan) -> None:
        own = self.attack_lr if plan.purpose == "attack" else self.learning_rate
        self._optimiser = self._adam(own if plan.rate is None else plan.rate)

    def train_step(
        self, batch: Batch, *, rng: torch.Generator, extra_loss: ExtraLoss | None = None
    ) -> dict[str, float]:
        if self._optimiser is None:
            self._optimiser = self._adam(self.learning_rate)
        points = self._points(batch.images)
        # Whatever comes to be added: the next step draws the same.
        z = self.latents(len(points), rng=rng)
        with torch.autocast(points.device.type, enabled=False):
            # For each dimension, or it would drown anything that is added to it.
            loss = -self._mixture(torch.float32).log_density(points.float()).mean() / points.shape[1]
        measured = {"negative_log_likelihood": loss.item()}
        if extra_loss is not None:
            extra = extra_loss(self.decode(z))
            measured["extra_loss"] = extra.item()
            loss = loss + extra
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        with torch.no_grad():
            self.log_noise.clamp_(min=2 * math.log(self.least_noise))
        return measured

    @torch.no_grad()
    def fit(self, batches: Batches, *, rng: torch.Generator) -> dict[str, float]:
        """Learns from everything at once: k-means, then expectation maximisation. What it was before is forgotten.

        Args:
            batches: ``batches()`` iterates over all images once; all of them are kept in memory, in float64.
            rng: A CPU generator, the only source of randomness.

        Returns:
            The mean log likelihood for each dimension, in nats, and the rounds that it took.

        Raises:
            ValueError: Fewer images than components.
        """
        points = torch.cat([self._points(batch.images) for batch in batches()]).to(self.means.device).double()
        components, rank, _ = self.factors.shape
        mixture = k_means_start(points, components=components, factors=rank, least_noise=self.least_noise, rng=rng)
        rounds, log_density = 0, 0.0
        on_the_way = expectation_maximisation(
            mixture, points, rounds=self.rounds, tolerance=self.tolerance, least_noise=self.least_noise
        )
        for rounds, (mixture, log_density) in enumerate(on_the_way):  # noqa: B007
            pass
        self.logits.copy_(mixture.log_weights)
        self.means.copy_(mixture.means)
        self.factors.copy_(mixture.factors)
        self.log_noise.copy_(mixture.log_noise)
        return {"log_likelihood": log_density / points.shape[1], "rounds": float(rounds)}

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beyond the state dict."""
        if self._optimiser is None:
            self._optimiser = self._adam(self.learning_rate)
        return {"optimiser": self._optimiser.state_dict()}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`training_state` returned, its learning rates included; load the state dict first."""
        self._optimiser = self._adam(self.learning_rate)
        self._optimiser.load_state_dict(state["optimiser"])

    def shipped_state(self) -> dict[str, Tensor]:
        """The state dict in half of its size: in float16."""
        return {name: value.half().contiguous() for name, value in self.state_dict().items()}

    def _mixture(self, dtype: torch.dtype) -> FactorAnalysers:
        return FactorAnalysers(
            log_weights=self.logits.to(dtype).log_softmax(0),
            means=self.means.to(dtype),
            factors=self.factors.to(dtype),
            log_noise=self.log_noise.to(dtype),
        )

    def _component(self, z: Tensor) -> Tensor:
        # In float64: a component of little weight is a narrow interval.
        ends = self.logits.detach().double().softmax(0).cumsum(0)
        return torch.searchsorted(ends[:-1].contiguous(), torch.special.ndtr(z[:, 0].detach().double()))

    def _points(self, images: Tensor) -> Tensor:
        return (images.mean(1, keepdim=True) if self.channels == 1 else images).flatten(1)

    def _to_images(self, flat: Tensor) -> Tensor:
        return flat.view(len(flat), self.channels, self.resolution, self.resolution).expand(-1, 3, -1, -1)

    def _adam(self, rate: float) -> torch.optim.Adam:
        pixels = {"params": [self.means, self.factors], "lr": rate}
        logarithms = {"params": [self.logits, self.log_noise], "lr": rate * _RATE_OF_LOGARITHMS}
        return torch.optim.Adam([pixels, logarithms], betas=(0.9, 0.99))


__all__ = ["GaussianMixture"]
