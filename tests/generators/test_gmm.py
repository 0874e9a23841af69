from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import find_weights, load_weights, weights_hash
from fakeoff.generators import Batch, Batches
from fakeoff.generators.factor_analysis import FactorAnalysers, em_round, expectation_maximisation, k_means_start
from fakeoff.generators.gmm import GaussianMixture

LEAST_NOISE = 0.01


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gmm(**over: Any) -> GaussianMixture:
    small = {"resolution": 4, "components": 3, "factors": 2, "least_noise": LEAST_NOISE, "weights": None}
    return GaussianMixture(**{**small, **over})  # type: ignore[arg-type]


def unlike(player: GaussianMixture) -> GaussianMixture:
    """Gives every parameter values of its own, so that no term of the likelihood is zero by chance."""
    with torch.no_grad():
        player.logits.copy_(torch.randn(player.logits.shape, generator=rng(1)))
        player.log_noise.copy_(-3 + torch.randn(player.log_noise.shape, generator=rng(2)))
    return player


def blobs(n: int = 60, side: int = 8, seed: int = 3) -> Tensor:
    """Images of two kinds, each with one direction of its own, and a little noise."""
    kind = torch.arange(n) % 2
    ramp = torch.linspace(0, 1, side).expand(side, side)
    shapes = torch.stack([ramp, ramp.T]) * 0.4 + 0.2
    ways = torch.stack([ramp.T, 1 - ramp])
    images = shapes[kind] + 0.15 * torch.randn(n, 1, 1, generator=rng(seed)) * ways[kind]
    images = images + 0.03 * torch.randn(n, side, side, generator=rng(seed + 1))
    return images.clamp(0, 1)[:, None].expand(-1, 3, -1, -1)


def batches_of(images: Tensor, size: int = 16) -> Batches:
    return lambda: (Batch(images=part) for part in images.split(size))


def points_of(images: Tensor) -> Tensor:
    return images[:, 0].flatten(1).double()


def covariances(player: GaussianMixture, noise: float = 1.0) -> np.ndarray[Any, Any]:
    factors, log_noise = player.factors.detach().double().numpy(), player.log_noise.detach().double().numpy()
    low_rank = np.einsum("kld,kle->kde", factors, factors)
    return low_rank + noise**2 * np.stack([np.diag(np.exp(each)) for each in log_noise])  # type: ignore[no-any-return]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_likelihood_is_that_of_the_full_covariance(channels: int) -> None:
    player = unlike(gmm(channels=channels))
    images = torch.rand(5, 3, 4, 4, generator=rng(7))
    points = (images.mean(1) if channels == 1 else images).flatten(1).double().numpy()
    weights = special.log_softmax(player.logits.detach().double().numpy())
    each = [
        weight + stats.multivariate_normal(mean, covariance).logpdf(points)
        for weight, mean, covariance in zip(
            weights, player.means.detach().double().numpy(), covariances(player), strict=True
        )
    ]
    expected = special.logsumexp(each, axis=0)
    found = player.log_likelihood(images)
    assert found.dtype == torch.float64
    assert found.numpy() == pytest.approx(expected, rel=1e-6)
    bits = -(expected / points.shape[1] / math.log(2) - math.log2(255))
    assert player.bits_per_dimension(images).numpy() == pytest.approx(bits, rel=1e-6)


def test_the_gradient_of_the_likelihood_is_the_true_one() -> None:
    player = unlike(gmm(resolution=2, factors=1))
    points = torch.rand(4, 4, generator=rng(8), dtype=torch.float64)
    named = [value.detach().double().requires_grad_() for value in player.parameters()]

    def likelihood(logits: Tensor, means: Tensor, factors: Tensor, log_noise: Tensor) -> Tensor:
        mixture = FactorAnalysers(log_weights=logits.log_softmax(0), means=means, factors=factors, log_noise=log_noise)
        return mixture.log_density(points)

    assert torch.autograd.gradcheck(likelihood, named)


def test_expectation_maximisation_never_lowers_the_likelihood() -> None:
    points = points_of(blobs())
    start = k_means_start(points, components=3, factors=2, least_noise=LEAST_NOISE, rng=rng())
    on_the_way = list(expectation_maximisation(start, points, rounds=12, tolerance=0.0, least_noise=LEAST_NOISE))
    density = [value for _, value in on_the_way]
    assert len(density) > 3
    assert np.diff(density).min() > -1e-9
    assert density[-1] > density[0] + 1
    assert density[-1] == pytest.approx(float(on_the_way[-1][0].log_density(points).mean()))
    assert float(on_the_way[-1][0].log_noise.min()) >= 2 * math.log(LEAST_NOISE) - 1e-12


def test_one_round_from_the_truth_stays_there() -> None:
    truth = FactorAnalysers(
        log_weights=torch.tensor([0.3, 0.7], dtype=torch.float64).log(),
        means=torch.tensor([[0.0] * 4, [20.0] * 4], dtype=torch.float64),
        factors=torch.tensor([[[1.0, 1, 0, 0]], [[0.0, 0, 2, -1]]], dtype=torch.float64),
        log_noise=torch.full((2, 4), 0.25, dtype=torch.float64).log(),
    )
    n = 40_000
    kind = (torch.rand(n, generator=rng(), dtype=torch.float64) > 0.3).long()
    z = torch.randn(n, 1, generator=rng(1), dtype=torch.float64)
    points = truth.means[kind] + z * truth.factors[kind][:, 0]
    points = points + 0.5 * torch.randn(n, 4, generator=rng(2), dtype=torch.float64)
    after, _ = em_round(truth, points, least_noise=LEAST_NOISE)
    for name in ("log_weights", "means", "factors", "log_noise"):
        assert torch.allclose(getattr(after, name), getattr(truth, name), atol=0.05), name


def test_the_start_is_decided_by_the_seed_and_finds_the_kinds() -> None:
    points = points_of(blobs())
    starts = [k_means_start(points, components=2, factors=1, least_noise=LEAST_NOISE, rng=rng(seed)) for seed in (4, 4)]
    for name in ("log_weights", "means", "factors", "log_noise"):
        assert torch.equal(getattr(starts[0], name), getattr(starts[1], name)), name
    kinds = torch.stack([points[0::2].mean(0), points[1::2].mean(0)])
    assert torch.cdist(starts[0].means, kinds).min(0).values.max() < 1e-6


def test_a_cluster_with_fewer_images_than_factors_starts_all_the_same() -> None:
    points = points_of(blobs(6))
    mixture = k_means_start(points, components=4, factors=5, least_noise=LEAST_NOISE, rng=rng())
    for _ in range(3):
        mixture, density = em_round(mixture, points, least_noise=LEAST_NOISE)
        assert math.isfinite(density)
    with pytest.raises(ValueError, match="6 images cannot start 7 components"):
        k_means_start(points, components=7, factors=1, least_noise=LEAST_NOISE, rng=rng())


@pytest.mark.parametrize(("resolution", "channels"), [(8, 1), (6, 3)])
def test_a_fit_learns_at_any_resolution_and_for_people_it_never_saw(resolution: int, channels: int) -> None:
    player = gmm(resolution=resolution, channels=channels, components=2, factors=1)
    images, others = blobs(side=resolution), blobs(side=resolution, seed=30)
    before = player.log_likelihood(others).mean()
    measured = player.fit(batches_of(images), rng=rng())
    assert measured["log_likelihood"] * player.means.shape[1] == pytest.approx(
        float(player.log_likelihood(images).mean()), rel=1e-4
    )
    assert measured["rounds"] >= 1
    assert player.log_likelihood(others).mean() > before + 50
    again = gmm(resolution=resolution, channels=channels, components=2, factors=1, init_seed=9)
    again.fit(batches_of(images), rng=rng())
    assert weights_hash(again.state_dict()) == weights_hash(player.state_dict())
    assert player.sample(2, rng=rng()).shape == (2, 3, resolution, resolution)


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_samples_have_the_moments_of_the_mixture(noise: float) -> None:
    player = unlike(gmm(noise=noise, components=2))
    assert player.latent_dim == 1 + 2 + (16 if noise else 0)
    with torch.no_grad():
        samples = player.decode(player.latents(60_000, rng=rng(5)))[:, 0].flatten(1).double().numpy()
    weights = player.logits.detach().double().softmax(0).numpy()
    means = player.means.detach().double().numpy()
    mean = weights @ means
    spread = np.einsum("k,kd,ke->de", weights, means - mean, means - mean)
    expected = np.einsum("k,kde->de", weights, covariances(player, noise)) + spread
    assert np.abs(samples.mean(0) - mean).max() < 0.01
    assert np.abs(np.cov(samples.T) - expected).max() < 0.03 * np.abs(expected).max()


def test_decoding_is_differentiable_and_the_first_entry_chooses_the_component() -> None:
    player = unlike(gmm(noise=1.0))
    z = player.latents(3, rng=rng()).requires_grad_()
    player.decode(z).square().sum().backward()
    assert z.grad is not None
    assert z.grad[:, 1:].abs().min() > 0
    share = player.logits.detach().softmax(0)
    assert special.ndtr(z.detach()[:, 0].numpy()).max() < 1
    for index, end in enumerate(share.cumsum(0).tolist()):
        middle = end - share[index].item() / 2
        z = torch.zeros(1, player.latent_dim)
        z[0, 0] = special.ndtri(middle)
        assert torch.allclose(player.decode(z)[0, 0].flatten(), player.means[index])


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_what_is_encoded_is_the_most_probable_code(noise: float) -> None:
    player = gmm(resolution=8, components=2, factors=1, noise=noise)
    images = blobs(10)
    player.fit(batches_of(blobs()), rng=rng())
    z = player.encode(images)
    assert z.shape == (10, player.latent_dim)
    with torch.no_grad():
        rebuilt = player.decode(z)
    if noise:
        assert torch.allclose(rebuilt, images, atol=1e-4)
    else:
        assert (rebuilt - images).std() < 0.05
        assert torch.allclose(player.encode(rebuilt)[:, 0], z[:, 0])


def test_a_step_raises_the_likelihood_and_an_attack_lowers_its_loss() -> None:
    images = blobs()
    batch = Batch(images=images[:32])

    def brightness(fakes: Tensor) -> Tensor:
        return 10 * fakes.mean()

    plain, attacked = (gmm(resolution=8, components=2, factors=1) for _ in range(2))
    for player in (plain, attacked):
        player.fit(batches_of(images), rng=rng())
        with torch.no_grad():
            player.means += 0.1
        player.start(Plan(purpose="attack", steps=40, batch=32))
    before = plain.log_likelihood(images).mean()
    measured = [plain.train_step(batch, rng=rng(step)) for step in range(40)]
    assert plain.log_likelihood(images).mean() > before + 10
    assert measured[-1]["negative_log_likelihood"] < measured[0]["negative_log_likelihood"]
    led = [attacked.train_step(batch, rng=rng(0), extra_loss=brightness)["extra_loss"] for _ in range(40)]
    assert led[-1] < led[0] - 0.1
    assert attacked.sample(64, rng=rng()).mean() < plain.sample(64, rng=rng()).mean() - 0.01
    assert float(attacked.log_noise.detach().min()) >= 2 * math.log(LEAST_NOISE) - 1e-4


def test_a_rate_asked_for_is_the_one_that_is_taken() -> None:
    rates = []
    for purpose, rate in (("attack", None), ("pretrain", None), ("attack", 1e-6)):
        player = gmm()
        player.start(Plan(purpose=purpose, steps=1, batch=4, rate=rate))  # type: ignore[arg-type]
        before = player.means.detach().clone()
        player.train_step(Batch(images=blobs(4, side=4)), rng=rng())
        rates.append(float((player.means.detach() - before).abs().max()))
    assert rates == pytest.approx([1e-3, 2e-3, 1e-6], rel=0.1)


def test_the_weights_that_ship_load_and_make_faces_like_those_of_training() -> None:
    player = GaussianMixture().eval()
    noise = player.sample(8, rng=rng())
    load_weights(player, find_weights("gmm-orl-64", GaussianMixture))
    images = player.sample(8, rng=rng())
    assert images.shape == (8, 3, 64, 64)

    def roughness(shown: Tensor) -> float:
        return float(shown.diff(dim=-1).abs().mean() / shown.std())

    assert roughness(images) < 0.3 * roughness(noise)
    assert images.mean((0, 1))[16:48, 16:48].mean() > images.mean((0, 1))[:, :4].mean()  # a face is in the middle
    shipped = player.shipped_state()
    assert all(value.dtype == torch.float16 for value in shipped.values())
    assert sum(value.nbytes for value in shipped.values()) < 4_000_000


@pytest.mark.parametrize(
    "wrong",
    [{"channels": 2}, {"components": 0}, {"factors": 16}, {"noise": -1.0}, {"least_noise": 0.0}, {"resolution": 1}],
)
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name} (is )?{value}"):
        gmm(**wrong)
