"""The referee: builds players, and holds them to their interface at the border of every job."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakeoff import detectors, generators
from fakeoff.arena import compute
from fakeoff.arena.compute import CPU, Precision
from fakeoff.arena.errors import JobFailed, one_line
from fakeoff.arena.images import resized
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.reals import Split
from fakeoff.arena.jobs import Result
from fakeoff.arena.parsers import PARTS, FaceParser, parsers
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import Identity, load_arrays, load_weights, weights_hash
from fakeoff.arena.seeds import sealed
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.detectors.decision import decide
from fakeoff.generators import Batch, Generator, Wanted
from fakeoff.protocols.rules.tensors import check_tensor

PlayerT = TypeVar("PlayerT", bound=nn.Module)

_RANGE_TOLERANCE = 1e-3
_SCORE_BATCH = 64


def build_generator(
    identity: Identity,
    *,
    version: Result | None = None,
    places: Mapping[str, Any] | None = None,
    device: torch.device = CPU,
) -> Generator:
    """Builds a generator from its identity, and a version's state or what it comes with.

    Args:
        identity: Its plugin and parameters: :meth:`fakeoff.arena.players.specs.PlayerSpec.identity`.
        version: Whose arrays are its state.
        places: Where what it comes with lies: :meth:`fakeoff.arena.players.specs.PlayerSpec.places`.
        device: Where it is to work: ``context.device`` in a job.

    Raises:
        JobFailed: Its constructor raised, or the state does not fit.
    """
    return _build(generators.players, identity, version=version, places=places, device=device)


def build_detector(
    identity: Identity,
    *,
    version: Result | None = None,
    places: Mapping[str, Any] | None = None,
    device: torch.device = CPU,
) -> Detector:
    """Builds a detector; see :func:`build_generator`."""
    return _build(detectors.players, identity, version=version, places=places, device=device)


def build_parser(
    identity: Identity, *, places: Mapping[str, Any] | None = None, device: torch.device = CPU
) -> FaceParser:
    """Builds a face parser; see :func:`build_generator`."""
    return _build(parsers, identity, version=None, places=places, device=device)


def _build(
    registry: Registry[PlayerT],
    identity: Identity,
    *,
    version: Result | None,
    places: Mapping[str, Any] | None,
    device: torch.device,
) -> PlayerT:
    places = places or {}
    # A constructor that draws from global state draws the same each time, and leaves no trace.
    with sealed("build", identity):
        try:
            player = registry.build(identity["plugin"], {**identity["parameters"], **places.get("files", {})})
        except Exception as error:
            raise JobFailed(f"cannot be built: {one_line(error)}") from error
    if version is not None:
        load_arrays(player, version.arrays)
    else:
        if places.get("weights"):
            load_weights(player, Path(places["weights"]), called=f"'{identity['plugin']}'")
        for member, weights in zip(getattr(player, "members", ()), places.get("members", ()), strict=False):
            if weights:
                load_weights(member, Path(weights))
    return compute.channels_last(player.to(device))


def draw(
    generator: Generator,
    n: int,
    *,
    rng: torch.Generator,
    report: Callable[[int], None] | None = None,
    reals: Batch | None = None,
    sizes: Mapping[Split, int] | None = None,
) -> Batch:
    """Asks a generator in eval mode for fakes and checks what comes.

    Args:
        generator: Who makes them.
        n: How many.
        rng: A CPU generator, the only source of randomness.
        report: Told how many are there.
        reals: What a manipulator makes them of.
        sizes: With reals: how many of each split.

    Returns:
        Images float32 ``(n, 3, resolution, resolution)`` in [0, 1], where the generator's weights lie; of another
        number than ``n`` only where they come with a split, as those that are made of reals always do.

    Raises:
        JobFailed: Wrong type, shape, range, or not finite, masks likewise; or nobody knows of which split fakes of
            reals are, or they are made of reals of another.
    """
    generator.eval()
    shown = reals.to(compute.device_of(generator)) if reals is not None else None
    with torch.no_grad():
        made = generator.fakes(Wanted(n=n, report=report, reals=shown, sizes=sizes or {}), rng=rng)
    if not isinstance(made, Batch):
        raise JobFailed(f"fakes returned {type(made).__name__}, not a Batch")
    if reals is not None and made.split is None:
        raise JobFailed("fakes made of reals came without their split; return Batch(images=..., split=...)")
    images = made.images
    count = n if made.split is None else len(made)  # with a split of their own they are all there are
    expected = (count, 3, generator.resolution, generator.resolution)
    what = "sample" if reals is None else "manipulate"
    check_tensor(images, expected, what=what, device=compute.device_of(generator))
    low, high = images.min().item(), images.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"{what} gave values from {low:.3g} to {high:.3g}; images lie in [0, 1]")
    if made.mask is not None:
        _check_mask(made.mask, (count, 1, *expected[2:]), like=images)
    if shown is not None:
        _check_made_of(made, shown)
    return made


def _check_mask(mask: Tensor, shape: tuple[int, ...], *, like: Tensor) -> None:
    check_tensor(mask, shape, what="the mask", device=like.device)
    low, high = mask.min().item(), mask.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"the mask has values from {low:.3g} to {high:.3g}; they lie in [0, 1]")


def _check_made_of(made: Batch, reals: Batch) -> None:
    """What fakes are said to be made of is there, and of their own split."""
    assert made.split is not None
    assert reals.split is not None
    for name in ("source", "target"):
        places: Tensor | None = getattr(made, name)
        if places is None:
            continue
        check_tensor(places, (len(made),), what=f"{name} of fakes", device=made.images.device, dtype=torch.int64)
        if places.min().item() < 0 or places.max().item() >= len(reals):
            raise JobFailed(f"{name} of fakes is no place among the {len(reals)} reals that were shown")
        if not torch.equal(reals.split[places.to(reals.split.device)].cpu(), made.split.cpu()):
            raise JobFailed(f"a fake is of another split than the real that its {name} names")


def latents(generator: Generator, n: int, *, rng: torch.Generator) -> Tensor:
    """Asks a generator for latents and checks what comes.

    Args:
        generator: With the ability *latent*.
        n: How many.
        rng: A CPU generator, the only source of randomness.

    Returns:
        float32 ``(n, latent_dim)``, where its weights lie.

    Raises:
        JobFailed: Wrong type, shape, or not finite.
    """
    drawn: Tensor = generator.latents(n, rng=rng)
    check_tensor(drawn, (n, generator.latent_dim), what="latents", device=compute.device_of(generator))
    return drawn


def decode(generator: Generator, z: Tensor, *, rng: torch.Generator) -> Tensor:
    """Asks a generator in eval mode for the images of latents and checks what comes; differentiable.

    Args:
        generator: With the ability *latent*.
        z: float32 ``(n, latent_dim)``, where its weights lie.
        rng: For what is random besides the latents.

    Returns:
        Images float32 ``(n, 3, resolution, resolution)``; they are still to be cut to [0, 1].

    Raises:
        JobFailed: Wrong type, shape, or not finite.
    """
    generator.eval()
    made: Tensor = generator.decode(z, rng=rng)
    side = generator.resolution
    check_tensor(made, (len(z), 3, side, side), what="decode", device=compute.device_of(generator))
    return made


def judge(detector: Detector, images: Tensor | Pool, *, precision: Precision | None = None) -> Tensor:
    """Scores images in eval mode, where the detector's weights lie, and checks what comes.

    Args:
        detector: Who judges.
        images: float32 ``(n, 3, h, w)`` in [0, 1], or a pool.
        precision: Of its products while it trains; None is float32, in which every score is.

    Returns:
        float32 ``(n,)`` in [0, 1], on the CPU.

    Raises:
        JobFailed: Wrong type, shape, range, or not finite.
    """
    detector.eval()

    def score(batch: Tensor) -> Tensor:
        with _products_in(precision, batch.device):
            scores: Tensor = _widened(detector.score(shown(detector, batch)), precision)
        check_tensor(scores, (len(batch),), what="score", device=batch.device)
        return scores

    whole = _in_batches(score, images, detector)
    low, high = whole.min().item(), whole.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"score gave values from {low:.3g} to {high:.3g}; P(fake) lies in [0, 1]")
    return whole.clamp(0, 1)


def shown(detector: Detector, images: Tensor) -> Tensor:
    """Images as a detector must be shown them: resized where it takes one size only; differentiable.

    Args:
        detector: With a ``side``, or None.
        images: float32 ``(n, 3, h, w)`` in [0, 1].
    """
    if detector.side is None or images.shape[-2:] == (detector.side, detector.side):
        return images
    return resized(images, detector.side)


def judge_patches(detector: PatchDetector, images: Tensor | Pool, *, precision: Precision | None = None) -> Tensor:
    """Scores every patch in eval mode, where the detector's weights lie, and checks what comes.

    A detector with a ``side`` is shown images of that size, and its receptive field counts their pixels.

    Args:
        detector: Who judges.
        images: float32 ``(n, 3, h, w)`` in [0, 1], or a pool.
        precision: See :func:`judge`.

    Returns:
        float32 ``(n, h', w')`` in [0, 1], on the CPU.

    Raises:
        JobFailed: Wrong type, shape, range, or not finite, or its receptive field leaves the image.
    """
    detector.eval()
    sides = shown(detector, images[:1]).shape[2:]

    def score(batch: Tensor) -> Tensor:
        with _products_in(precision, batch.device):
            scores: Tensor = _widened(detector.patch_scores(shown(detector, batch)), precision)
        grid = tuple(scores.shape[1:]) if isinstance(scores, Tensor) and scores.ndim == 3 else ("h'", "w'")
        check_tensor(scores, (len(batch), *grid), what="patch_scores", device=batch.device)
        if scores.numel() == 0:
            raise JobFailed(f"patch_scores gave no patch of {sides[1]}x{sides[0]} pixels")
        return scores

    whole = _in_batches(score, images, detector)
    low, high = whole.min().item(), whole.max().item()
    if low < -_RANGE_TOLERANCE or high > 1 + _RANGE_TOLERANCE:
        raise JobFailed(f"patch_scores gave values from {low:.3g} to {high:.3g}; P(fake) lies in [0, 1]")
    field = detector.receptive_field
    for units, side in zip(whole.shape[1:], sides, strict=True):
        first, last = field.pixels(0), field.pixels(units - 1)
        if first[1] <= 0 or last[0] >= side:
            raise JobFailed(
                f"patch_scores gave {units} patches along {side} pixels, and by its receptive_field the last one sees "
                f"pixels {last[0]} to {last[1] - 1}: they do not fit"
            )
    return whole.clamp(0, 1)


def judge_both(
    detector: PatchDetector, images: Tensor | Pool, *, precision: Precision | None = None
) -> tuple[Tensor, Tensor]:
    """Scores images and every patch of them; see :func:`judge` and :func:`judge_patches`.

    Returns:
        float32 ``(n,)`` and ``(n, h', w')`` in [0, 1], on the CPU.

    Raises:
        JobFailed: See there.
    """
    patches = judge_patches(detector, images, precision=precision)
    if type(detector).score is PatchDetector.score:  # it follows from its patches: no second look at the images
        return decide(patches, detector.decision), patches
    return judge(detector, images, precision=precision), patches


def label(parser: FaceParser, images: Tensor | Pool) -> Tensor:
    """Labels the parts of faces in eval mode, where the parser's weights lie, and checks what comes.

    Returns:
        uint8 ``(n, h, w)``: indices into :data:`fakeoff.arena.parsers.PARTS`, on the CPU.

    Raises:
        JobFailed: Wrong type or shape, or labels of no part.
    """
    parser.eval()

    def label(batch: Tensor) -> Tensor:
        labels = parser.label(batch)
        shape = (len(batch), *batch.shape[2:])
        check_tensor(labels, shape, what="label", dtype=torch.uint8, device=batch.device)
        return labels

    whole = _in_batches(label, images, parser)
    if whole.max().item() >= len(PARTS):
        raise JobFailed(f"label gave {whole.max().item()}; there are {len(PARTS)} parts, counted from 0")
    return whole


def _products_in(precision: Precision | None, device: torch.device) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if precision is None else compute.autocast(precision, device)


def _widened(scores: Any, precision: Precision | None) -> Any:
    """Scores in float32: in bfloat16 a network may leave its last product as it came."""
    half = precision is not None and isinstance(scores, Tensor) and scores.dtype == torch.bfloat16
    return scores.float() if half else scores


def _in_batches(work: Callable[[Tensor], Tensor], images: Tensor | Pool, player: nn.Module) -> Tensor:
    with torch.no_grad():
        return compute.in_batches(work, images, size=_SCORE_BATCH, device=compute.device_of(player))


def check_measured(measured: Any, *, step: int | None) -> dict[str, float]:
    """Checks what a ``train_step`` returned, or a ``fit``.

    Args:
        measured: What came.
        step: Which; None where it was a ``fit``.

    Raises:
        JobFailed: Not a dict of finite numbers.
    """
    call, at = ("fit", "") if step is None else ("train_step", f" at step {step}")
    if not isinstance(measured, dict):
        raise JobFailed(f"{call} returned {type(measured).__name__}{at}, not a dict of numbers")
    for name, value in measured.items():
        if not isinstance(value, int | float):
            raise JobFailed(f"{call} returned {type(value).__name__} for '{name}'{at}, not a number")
        if not math.isfinite(value):
            raise JobFailed(f"{call} returned {value} for '{name}'{at}")
    return {str(name): float(value) for name, value in measured.items()}


@contextlib.contextmanager
def frozen(players: Sequence[Detector]) -> Iterator[None]:
    """Freezes detectors: eval mode, no gradient on their weights; their hash is checked at the end.

    Modes, and which weights ask for a gradient, are as before when it ends: one may be in the middle of its training.

    Raises:
        JobFailed: Somebody changed the weights.
    """
    modes = [(module, module.training) for player in players for module in player.modules()]
    asking = [(weight, weight.requires_grad) for player in players for weight in player.parameters()]
    before = []
    for player in players:
        player.eval()
        player.requires_grad_(False)
        before.append(weights_hash(player.state_dict()))
    try:
        yield
        for player, expected in zip(players, before, strict=True):
            if weights_hash(player.state_dict()) != expected:
                raise JobFailed("changed the weights of the frozen detector that it was trained against")
    finally:
        for module, mode in modes:
            module.training = mode
        for weight, asked in asking:
            weight.requires_grad_(asked)
