"""The game as one would write it in an afternoon with PyTorch: one process, its defaults, no engine.

    python benchmarks/plain_script.py --rounds 1 --attack-steps 20 --defend-steps 100

Sample fakes, train the detectors, pick the best on val, finetune the generator against it (Eq. 4), sample again,
retrain the detectors on all fakes so far, score all against all on test with intervals; round after round. The
networks, their initial weights, the generator's own step and the photographs are Fakeoff's, so that both do the same;
all else is written here. ``benchmarks/plain_game.py`` times it against ``fakeoff run``.

The last line is what was done, as JSON: seconds of each phase, steps, and the figures of the matches.
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import click
import numpy as np
import numpy.typing as npt
import published
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from fakeoff import detectors, generators
from fakeoff.arena.images.reals import SPLITS, Split, orl_faces
from fakeoff.arena.players.plan import Plan
from fakeoff.arena.players.specs import find_weights, load_weights
from fakeoff.detectors.truncated import TruncatedNetwork
from fakeoff.generators import Batch
from fakeoff.generators.pgan import ProgressiveGAN

SIDE = 64
ATTACK_BATCH, DEFEND_BATCH = 16, 32
WEIGHT = 0.2  # of the evasion loss in Eq. 4
CONFIDENCE = 0.95
_AT_A_TIME = 64

Pool = dict[Split, Tensor]
"""Images by split, float32 ``(n, 3, h, w)`` in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    rounds: int
    attack_steps: int
    defend_steps: int
    check_every: int
    fakes: Mapping[Split, int]
    resamples: int
    detectors: tuple[str, ...]
    targets: tuple[str, ...] = ()  # who is attacked in each round; none: the best on val
    seed: int = 0


@dataclass(kw_only=True)
class Done:
    seconds: dict[str, float] = field(default_factory=dict)  # by phase
    attacks: list[tuple[int, str, int]] = field(default_factory=list)  # round, target, steps
    defences: list[tuple[str, int, int, int]] = field(default_factory=list)  # detector, round, steps, looks at val
    best_on_val: list[str] = field(default_factory=list)
    matches: list[dict[str, object]] = field(default_factory=list)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def play(settings: Settings) -> Done:
    done = Done()
    torch.manual_seed(settings.seed)
    rng = torch.Generator().manual_seed(settings.seed)
    with done.phase("reals"):
        source = orl_faces()
        reals = {split: as_numbers(source.load(split, resolution=SIDE, colour="grey")) for split in SPLITS}
    generator = generators.players.build("pgan", {})
    assert isinstance(generator, ProgressiveGAN)
    load_weights(generator, find_weights("pgan-orl-64", ProgressiveGAN))

    fakes: list[Pool] = []  # of each version so far
    judges: list[tuple[str, int, TruncatedNetwork]] = []
    real_scores: dict[tuple[str, int], npt.NDArray[np.float32]] = {}
    scored: set[tuple[int, str, int]] = set()
    newest: dict[str, TruncatedNetwork] = {}
    for round_ in range(settings.rounds + 1):
        if round_:
            target = settings.targets[round_ - 1] if settings.targets else done.best_on_val[-1]
            with done.phase("attack"):
                attack(generator, newest[target], reals["train"], steps=settings.attack_steps, rng=rng)
            done.attacks.append((round_, target, settings.attack_steps))
        with done.phase("sample"):
            fakes.append(sample(generator, settings.fakes, seed=settings.seed))

        so_far = {split: torch.cat([pool[split] for pool in fakes]) for split in SPLITS}
        on_val = {}
        for name in settings.detectors:
            with done.phase("defend"):
                newest[name], on_val[name], looks = defend(name, reals, so_far, settings=settings, rng=rng)
            judges.append((name, round_, newest[name]))
            done.defences.append((name, round_, settings.defend_steps, looks))
        done.best_on_val.append(max(on_val, key=lambda name: on_val[name]))

        for name, version, detector in judges:
            for maker, pool in enumerate(fakes):
                if (maker, name, version) in scored:
                    continue
                scored.add((maker, name, version))
                with done.phase("score"):
                    if (name, version) not in real_scores:
                        real_scores[name, version] = score(detector, reals["test"])
                    real, fake = real_scores[name, version], score(detector, pool["test"])
                with done.phase("figures"):
                    figures = measure(real, fake, resamples=settings.resamples, seed=settings.seed)
                pair = {"generator": f"pgan@{maker}", "detector": f"{name}@{version}"}
                done.matches.append({**pair, "n_real": len(real), "n_fake": len(fake), **figures})
        print(f"round {round_}: {len(scored)} matches, best on val: {done.best_on_val[-1]}", flush=True)
    return done


def as_numbers(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 ``(n, h, w, 3)`` to float32 ``(n, 3, h, w)`` in [0, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() / 255


def sample(generator: ProgressiveGAN, counts: Mapping[Split, int], *, seed: int) -> Pool:
    """Fakes of 8 bits, with the same latents for every version."""
    generator.eval()
    made = generator.sample(sum(counts.values()), rng=torch.Generator().manual_seed(seed))
    made = ((made * 255).round() / 255).contiguous()  # as it would be read from files
    return dict(zip(SPLITS, made.split([counts[split] for split in SPLITS]), strict=True))


def defend(
    name: str, reals: Pool, fakes: Pool, *, settings: Settings, rng: torch.Generator
) -> tuple[TruncatedNetwork, float, int]:
    """Trains a new detector (Eq. 1) and keeps the best look's weights. Also returns its val accuracy, and the looks."""
    detector = detectors.players.build(name, {})
    assert isinstance(detector, TruncatedNetwork)
    optimiser = torch.optim.Adam(detector.parameters(), lr=1e-3)
    half = DEFEND_BATCH // 2
    is_fake = torch.arange(DEFEND_BATCH) >= half
    curves: dict[str, list[float]] = {"loss": [], "patches": [], "votes": [], "mean": []}
    best, best_weights, looks = -1.0, copy.deepcopy(detector.state_dict()), 0
    for step in range(1, settings.defend_steps + 1):
        detector.train()
        images = torch.cat([draw(reals["train"], half, rng=rng), draw(fakes["train"], half, rng=rng)])
        logits = detector.patch_logits(images)
        truth = is_fake.long().view(-1, 1, 1).expand(-1, *logits.shape[2:])
        loss = F.cross_entropy(logits, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for curve, value in zip(curves.values(), (loss, *published.accuracies(logits, is_fake)), strict=True):
            curve.append(value.item())
        if step % settings.check_every == 0 or step == settings.defend_steps:
            looks += 1
            accuracy = patch_accuracy(detector, reals["val"], fakes["val"])
            if accuracy > best:
                best, best_weights = accuracy, copy.deepcopy(detector.state_dict())
    detector.load_state_dict(best_weights)
    return detector.eval(), best, looks


def attack(
    generator: ProgressiveGAN, target: TruncatedNetwork, reals: Tensor, *, steps: int, rng: torch.Generator
) -> None:
    """Finetunes the generator on its own loss plus what the frozen detector sees in its fakes (Eq. 4)."""
    target.eval().requires_grad_(False)

    def evasion(fakes: Tensor) -> Tensor:
        logits = target.patch_logits(fakes.clamp(0, 1))
        return WEIGHT * F.cross_entropy(logits, torch.zeros_like(logits[:, 0], dtype=torch.long))

    generator.train()
    generator.start(Plan(purpose="attack", steps=steps, batch=ATTACK_BATCH, rate=None))
    for _ in range(steps):
        generator.train_step(Batch(images=draw(reals, ATTACK_BATCH, rng=rng)), rng=rng, extra_loss=evasion)


def draw(images: Tensor, n: int, *, rng: torch.Generator) -> Tensor:
    """Some images, each mirrored with even odds."""
    chosen = images[torch.randint(len(images), (n,), generator=rng)]
    return torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, chosen.flip(-1), chosen)


@torch.no_grad()
def patch_accuracy(detector: TruncatedNetwork, real: Tensor, fake: Tensor) -> float:
    """The mean of the accuracies on reals and on fakes, over patches."""
    detector.eval()
    right = []
    for images, is_fake in ((real, False), (fake, True)):
        patches = torch.cat([detector.patch_scores(batch) for batch in images.split(_AT_A_TIME)])
        right.append(((patches >= 0.5) == is_fake).float().mean().item())
    return sum(right) / 2


@torch.no_grad()
def score(detector: TruncatedNetwork, images: Tensor) -> npt.NDArray[np.float32]:
    """P(fake) of each image."""
    detector.eval()
    return torch.cat([detector.score(batch) for batch in images.split(_AT_A_TIME)]).numpy()


def measure(
    real: npt.NDArray[np.float32], fake: npt.NDArray[np.float32], *, resamples: int, seed: int
) -> dict[str, float | list[float]]:
    """AP, AUC and accuracy with their intervals by bootstrap over images, of each side by itself."""

    def figures(real: npt.NDArray[np.float32], fake: npt.NDArray[np.float32]) -> dict[str, float]:
        truth = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
        scores = np.concatenate([real, fake])
        return {
            "ap": float(average_precision_score(truth, scores)),
            "auc": float(roc_auc_score(truth, scores)),
            "accuracy": float(((real < 0.5).mean() + (fake >= 0.5).mean()) / 2),
        }

    rng = np.random.default_rng(seed)
    drawn = [
        figures(real[rng.integers(len(real), size=len(real))], fake[rng.integers(len(fake), size=len(fake))])
        for _ in range(resamples)
    ]
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    measured: dict[str, float | list[float]] = {}
    for name, value in figures(real, fake).items():
        measured[name] = value
        measured[f"{name}_ci"] = np.quantile([one[name] for one in drawn], tails).tolist()
    return measured


@click.command()
@click.option("--rounds", default=2, show_default=True)
@click.option("--attack-steps", default=50, show_default=True)
@click.option("--defend-steps", default=300, show_default=True)
@click.option("--check-every", default=300, show_default=True)
@click.option("--fakes", nargs=3, default=(560, 40, 80), show_default=True, help="Of train, val and test.")
@click.option("--resamples", default=1000, show_default=True)
@click.option("--detector", "names", multiple=True, default=("xception_block1", "resnet18_layer1"), show_default=True)
@click.option("--target", "targets", multiple=True, help="Who is attacked, round by round; else the best on val.")
def main(
    rounds: int,
    attack_steps: int,
    defend_steps: int,
    check_every: int,
    fakes: Sequence[int],
    resamples: int,
    names: tuple[str, ...],
    targets: tuple[str, ...],
) -> None:
    settings = Settings(
        rounds=rounds,
        attack_steps=attack_steps,
        defend_steps=defend_steps,
        check_every=check_every,
        fakes=dict(zip(SPLITS, fakes, strict=True)),
        resamples=resamples,
        detectors=names,
        targets=targets,
    )
    print(json.dumps(asdict(play(settings))))


if __name__ == "__main__":
    main()
