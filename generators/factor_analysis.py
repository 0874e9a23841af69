"""Mixtures of factor analysers: likelihood, posterior and expectation maximisation, without a full covariance.

Ghahramani and Hinton, "The EM Algorithm for Mixtures of Factor Analyzers", 1996; for whole images: Richardson and
Weiss, "On GANs and GMMs", NeurIPS 2018, section 3. A component is ``N(mean, A A^T + D)`` with ``A`` of ``d x l`` and
``D`` diagonal. By Woodbury's identity and the matrix determinant lemma only ``l x l`` matrices are ever factorised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fakeoff.arena.seeds import sealed

_NO_SHARE = 1e-16
_LEAST_WEIGHT = 1e-12
# Of a factor for which a cluster has no image left; one of zeros would stay zero under EM.
_FAINT = 1e-3
_STARTS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorAnalysers:
    """A mixture of ``k`` factor analysers of ``l`` factors over ``d`` dimensions; all of one float type and device.

    Attributes:
        log_weights: ``(k,)``; their exponentials sum to 1.
        means: ``(k, d)``.
        factors: ``(k, l, d)``: the columns of each ``A``, as rows.
        log_noise: ``(k, d)``: logarithms of the diagonals of ``D``, which are variances.
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor
    log_noise: Tensor

    def __len__(self) -> int:
        return len(self.means)

    def log_joint(self, points: Tensor) -> Tensor:
        """The log density of points and components together, in nats; differentiable once.

        Args:
            points: ``(n, d)``.

        Returns:
            ``(n, k)``: ``log p(component) + log p(point | component)``.
        """
        each = [self.log_weights[index] + self._log_density_of(points, index) for index in range(len(self))]
        return torch.stack(each, dim=1)

    def log_density(self, points: Tensor) -> Tensor:
        """The log density of points ``(n, d)`` in nats, ``(n,)``; differentiable once."""
        return self.log_joint(points).logsumexp(1)

    def coordinates(self, points: Tensor, index: int) -> Tensor:
        """The posterior means of the factors' coordinates under one component.

        Args:
            points: ``(n, d)``.
            index: Of the component.

        Returns:
            ``(n, l)``.
        """
        scaled, whitened, cholesky = self._whitened(points, index)
        return torch.cholesky_solve(scaled @ whitened.T, cholesky).T

    def _whitened(self, points: Tensor, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Factors and centred points over the noise's deviation, and the Cholesky factor of ``I + A^T D^-1 A``."""
        precision = torch.exp(-0.5 * self.log_noise[index])
        scaled = self.factors[index] * precision
        eye = torch.eye(len(scaled), dtype=scaled.dtype, device=scaled.device)
        return scaled, (points - self.means[index]) * precision, torch.linalg.cholesky(eye + scaled @ scaled.T)

    def _log_density_of(self, points: Tensor, index: int) -> Tensor:
        scaled, whitened, cholesky = self._whitened(points, index)
        # The Mahalanobis distance is the least of |y - B z|^2 + |z|^2 over z. Said so, nothing large cancels, as it
        # does in Woodbury's own y'y - y'B (I + B'B)^-1 B'y; and at the least z its own gradient is zero.
        with torch.no_grad():
            z = torch.cholesky_solve(scaled @ whitened.T, cholesky).T
        distance = (whitened - z @ scaled).square().sum(1) + z.square().sum(1)
        log_determinant = self.log_noise[index].sum() + 2 * cholesky.diagonal().log().sum()
        return -0.5 * (distance + log_determinant + points.shape[1] * math.log(2 * math.pi))


def k_means_start(
    points: Tensor, *, components: int, factors: int, least_noise: float, rng: torch.Generator
) -> FactorAnalysers:
    """Starts a mixture from clusters of points: a probabilistic PCA of each (Tipping and Bishop, 1999, section 3.2).

    Args:
        points: float64 ``(n, d)``, no fewer than there are components.
        components: How many clusters.
        factors: Of each.
        least_noise: The least standard deviation of ``D``.
        rng: A CPU generator, the only source of randomness.

    Raises:
        ValueError: Fewer points than components.
    """
    if len(points) < components:
        raise ValueError(f"{len(points)} images cannot start {components} components: show more, or ask for fewer")
    with sealed("import", "scikit-learn"):  # it draws from Python's own generator
        from sklearn.cluster import KMeans

    seed = int(torch.randint(2**31, (), generator=rng))
    clusters = KMeans(components, n_init=_STARTS, random_state=seed).fit_predict(points.cpu().numpy())
    label = torch.from_numpy(clusters).to(points.device)
    spread = float((points - points.mean(0)).square().mean())
    weights, means, columns, noises = [], [], [], []
    for index in range(components):
        mine = points[label == index]
        mean = mine.mean(0)
        faint = torch.randn(factors, points.shape[1], generator=rng, dtype=points.dtype).to(points.device) * _FAINT
        _, singular, directions = torch.linalg.svd(mine - mean, full_matrices=False)
        variances = singular.square() / len(mine)
        kept = min(factors, max(0, len(mine) - 2))
        left = float(variances[kept:].sum()) / points.shape[1] if kept else spread
        noise = max(left, least_noise**2)
        faint[:kept] = directions[:kept] * (variances[:kept] - noise).clamp(min=_FAINT**2).sqrt()[:, None]
        weights.append(len(mine) / len(points))
        means.append(mean)
        columns.append(faint)
        noises.append(torch.full_like(mean, math.log(noise)))
    return FactorAnalysers(
        log_weights=torch.tensor(weights, dtype=points.dtype, device=points.device).log(),
        means=torch.stack(means),
        factors=torch.stack(columns),
        log_noise=torch.stack(noises),
    )


def em_round(mixture: FactorAnalysers, points: Tensor, *, least_noise: float) -> tuple[FactorAnalysers, float]:
    """One round of expectation maximisation; it never lowers the likelihood.

    Args:
        mixture: Before.
        points: float64 ``(n, d)``.
        least_noise: The least standard deviation of ``D``. The best ``A`` does not depend on ``D``, and each entry of
            ``D`` is by itself, so that cutting it off is the maximum under that bound.

    Returns:
        The mixture after it, and the mean log density of the points *before* it, in nats.
    """
    joint = mixture.log_joint(points)
    log_density = joint.logsumexp(1)
    shares = (joint - log_density[:, None]).exp()
    means, factors, log_noise = (value.clone() for value in (mixture.means, mixture.factors, mixture.log_noise))
    for index in range(len(mixture)):
        mine = shares[:, index] > _NO_SHARE
        if not mine.any():
            continue
        share, old_mean = shares[mine, index], mixture.means[index]
        scaled, whitened, cholesky = mixture._whitened(points[mine], index)
        z = torch.cholesky_solve(scaled @ whitened.T, cholesky).T
        total = share.sum()
        # Factors and mean are solved for together, as a regression on (z, 1) (Ghahramani and Hinton, Eq. 14).
        centred = points[mine] - old_mean
        with_one = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
        moments = (with_one * share[:, None]).T @ with_one
        moments[:-1, :-1] += total * torch.cholesky_inverse(cholesky)
        crossed = (with_one * share[:, None]).T @ centred
        solved = torch.linalg.solve(moments, crossed)
        left = (share @ centred.square() - (solved * crossed).sum(0)) / total
        factors[index], means[index] = solved[:-1], old_mean + solved[-1]
        log_noise[index] = left.clamp(min=least_noise**2).log()
    log_weights = shares.mean(0).clamp(min=_LEAST_WEIGHT).log()
    after = FactorAnalysers(log_weights=log_weights.log_softmax(0), means=means, factors=factors, log_noise=log_noise)
    return after, float(log_density.mean())


def expectation_maximisation(
    mixture: FactorAnalysers, points: Tensor, *, rounds: int, tolerance: float, least_noise: float
) -> Iterator[tuple[FactorAnalysers, float]]:
    """Rounds of :func:`em_round` until the mean log density grows by less than ``tolerance`` nats a dimension.

    Args:
        mixture: To start from.
        points: float64 ``(n, d)``.
        rounds: At most.
        tolerance: In nats a dimension.
        least_noise: See :func:`em_round`.

    Yields:
        Each mixture on the way with its own mean log density in nats, the one to start from first.
    """
    before = -math.inf
    for _ in range(rounds):
        after, log_density = em_round(mixture, points, least_noise=least_noise)
        yield mixture, log_density
        if log_density - before < tolerance * points.shape[1]:
            return
        mixture, before = after, log_density
    yield mixture, float(mixture.log_density(points).mean())


__all__ = ["FactorAnalysers", "em_round", "expectation_maximisation", "k_means_start"]
