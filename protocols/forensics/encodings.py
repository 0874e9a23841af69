"""Whether manipulated videos were encoded otherwise than their originals: a leak that frames saved as PNG do not show.

Bit rate hangs on what is seen, so a manipulation is compared with its own original, which shows the same scene; and
pairs of one person are no independent ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from fakeoff.arena.videos.encodings import Encoding
from fakeoff.arena.videos.manifest import MANIFEST, Extracted, read_extracted
from fakeoff.protocols.forensics.report import MATERIAL, SIGNIFICANCE, Finding, Gravity
from fakeoff.protocols.score.distances import total_variation

CHECK = "video encoding"

_CONFIDENCE = 0.95
_FEWEST_UNITS = 5
_SWAPS = 9999
_ADVICE = (
    "frames carry what their video was quantised with: encode both sides anew with the same codec and settings (ffmpeg "
    "-c:v libx264 -crf 23, say) as often, and extract again; see docs/data.md#encodings"
)


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    """What is compared as a number.

    Attributes:
        name: For people.
        of: An encoding's.
        is_ratio: Whether it is compared as a ratio, by its logarithm, or as a difference.
        material: The least difference that counts; of a ratio, of its logarithm.
    """

    name: str
    of: Callable[[Encoding], float | None]
    is_ratio: bool
    material: float


_QUANTITIES = (
    _Quantity(name="bit rate", of=lambda one: one.bits_per_second, is_ratio=True, material=math.log(1.1)),
    _Quantity(name="quantiser", of=lambda one: one.quantiser, is_ratio=False, material=1.0),
    _Quantity(
        name="frames per key frame", of=lambda one: one.frames_per_keyframe, is_ratio=True, material=math.log(1.5)
    ),
)
_QUALITIES: dict[str, Callable[[Encoding], str]] = {
    "codec": lambda one: one.codec,
    "profile": lambda one: one.profile or "none",
    "size": lambda one: one.size,
    "frame rate": lambda one: f"{one.frames_per_second:.4g}",
    "rate control": lambda one: one.rate_control or "not said",
    "B frames": lambda one: "with" if one.reordered else "without",
}
_TESTS = len(_QUANTITIES) + len(_QUALITIES)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A manipulation and its original.

    Attributes:
        method: That made it.
        person: Of the original: pairs of one person are one unit.
        real: How the original was encoded.
        fake: How the manipulation was.
    """

    method: str
    person: str
    real: Encoding
    fake: Encoding


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A quantity of manipulations against that of their originals.

    Attributes:
        name: Of the quantity.
        real: The median of the originals.
        fake: The median of the manipulations.
        change: The mean over people: a ratio of bit rates and frames, a difference of quantisers.
        ends: Of its 95% interval over people; None of one person.
        certain: Whether it is a difference, all that is compared taken together.
        material: Whether it is large enough to matter.
    """

    name: str
    real: float
    fake: float
    change: float
    ends: tuple[float, float] | None
    certain: bool
    material: bool


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A quality, such as the codec, on both sides.

    Attributes:
        name: Of the quality.
        real: Of the originals, the most frequent first.
        fake: Likewise.
        differ: In how many pairs it does.
        distance: Total variation between the sides.
        p: Of that, with the sides of each person's pairs swapped at random.
    """

    name: str
    real: dict[str, int]
    fake: dict[str, int]
    differ: int
    distance: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A method's encodings against those of the originals.

    Attributes:
        method: Which.
        pairs: How many.
        people: Of how many people.
        contrasts: Bit rate first; what no encoding says is left out.
        mixtures: Of the qualities in which some pair differs.
    """

    method: str
    pairs: int
    people: int
    contrasts: tuple[Contrast, ...]
    mixtures: tuple[Mixture, ...]

    @property
    def sentence(self) -> str:
        """In one line: bit rates, how many pairs, the ratio with its interval, and what else differs."""
        rate = self.contrasts[0]
        where = f" (95%: {rate.ends[0]:.2g} to {rate.ends[1]:.2g})" if rate.ends else ""
        told = [
            f"{self.method} has {rate.change:.2g} times the bit rate of its originals{where}, median "
            f"{rate.fake / 1000:.0f} against {rate.real / 1000:.0f} kb/s, in {self.pairs} pairs of {self.people} people"
        ]
        told += [
            f"{one.name} {one.fake:.3g} against {one.real:.3g}"
            for one in self.contrasts[1:]
            if one.certain and one.material
        ]
        told += [
            f"{one.name} {next(iter(one.fake))} against {next(iter(one.real))}, other in {one.differ} pairs"
            for one in self.mixtures
        ]
        return "; ".join(told)


def pairs_of(extracted: Iterable[Extracted], *, method: str = "", split: str = "") -> list[Pair]:
    """The pairs of which frames were taken, and whose encodings are known.

    Args:
        extracted: From ``videos.jsonl``.
        method: One alone.
        split: One alone.
    """
    return [
        Pair(method=each.method, person=(one.people or (one.original,))[0], real=one.encoding, fake=each.encoding)
        for one in extracted
        if one.encoding is not None and one.frames and split in ("", one.split)
        for each in one.manipulations
        if each.encoding is not None and each.frames and method in ("", each.method)
    ]


def compare_encodings(pairs: Sequence[Pair], *, seed: int = 0) -> list[Compared]:
    """Compares each method's manipulations with their originals.

    A quantity is compared pair by pair, averaged over each person's, and the mean over people has Student's interval.

    Args:
        pairs: Of any methods.
        seed: Of the swaps.
    """
    found = []
    for method in sorted({pair.method for pair in pairs}):
        own = [pair for pair in pairs if pair.method == method]
        _, units = np.unique([pair.person for pair in own], return_inverse=True)
        contrasts = [_contrast(quantity, own, units) for quantity in _QUANTITIES]
        rng = np.random.default_rng(seed)
        mixtures = [_mixture(name, of, own, units, rng) for name, of in _QUALITIES.items()]
        found.append(
            Compared(
                method=method,
                pairs=len(own),
                people=int(units.max()) + 1,
                contrasts=tuple(one for one in contrasts if one is not None),
                mixtures=tuple(one for one in mixtures if one is not None),
            )
        )
    return [one for one in found if one.contrasts and one.contrasts[0].name == _QUANTITIES[0].name]


def encoding_findings(real: Path, fake: Path, *, seed: int = 0) -> list[Finding]:
    """What an audit of two folders of an extraction is told of the videos behind them; nothing of other folders.

    Args:
        real: ``FOLDER/real``, or the folder of a split in it.
        fake: ``FOLDER/fake``, that of a method in it, or of a split of that.
        seed: Of the draws.

    Raises:
        DataError: The folder's list of videos is damaged.
    """
    for root in real.resolve().parents:
        if (root / MANIFEST).is_file():
            break
    else:
        return []
    if not fake.resolve().is_relative_to(root):
        return []
    (of, real_split), (made, method, split) = (
        (*path.resolve().relative_to(root).parts, *[""] * depth)[:depth] for path, depth in ((real, 2), (fake, 3))
    )
    if (of, made) != ("real", "fake"):
        return []
    pairs = pairs_of(read_extracted(root).values(), method=method, split=split or real_split)
    return [finding for one in compare_encodings(pairs, seed=seed) if (finding := _judge(one)) is not None]


def _judge(one: Compared) -> Finding | None:
    large = [contrast for contrast in one.contrasts if contrast.material]
    apart = [mixture for mixture in one.mixtures if mixture.distance >= MATERIAL]
    if not large and not apart:
        return None
    sure = any(contrast.certain for contrast in large) or any(each.p < SIGNIFICANCE / _TESTS for each in apart)
    gravity: Gravity = "leak" if sure else "note"
    caveat = "" if sure else "; too few people to rule out chance"
    return Finding(
        check=CHECK,
        gravity=gravity,
        sentence=f"{CHECK}: {one.sentence}{caveat}",
        advice=_ADVICE,
        figures={
            "method": one.method,
            "pairs": one.pairs,
            "people": one.people,
            **{
                each.name: {"real": each.real, "fake": each.fake, "change": each.change, "interval": each.ends}
                for each in one.contrasts
            },
            **{
                each.name: {
                    "real": each.real,
                    "fake": each.fake,
                    "differ": each.differ,
                    "p": each.p,
                }
                for each in one.mixtures
            },
        },
    )


def _contrast(quantity: _Quantity, pairs: Sequence[Pair], units: npt.NDArray[np.intp]) -> Contrast | None:
    said = np.array([[quantity.of(pair.real), quantity.of(pair.fake)] for pair in pairs], dtype=float)  # None is NaN
    known = np.isfinite(said).all(1)
    if quantity.is_ratio:
        known &= (said > 0).all(1)
    if not known.any():
        return None
    values, units = said[known], units[known]
    scaled = np.log(values) if quantity.is_ratio else values
    change = scaled[:, 1] - scaled[:, 0]
    means = np.array([change[units == unit].mean() for unit in np.unique(units)])
    mean, n = float(means.mean()), len(means)
    spread = float(means.std(ddof=1) / np.sqrt(n)) if n > 1 else math.inf
    certain = n >= _FEWEST_UNITS and abs(mean) > _reach(1 - SIGNIFICANCE / _TESTS, n) * spread
    back = math.exp if quantity.is_ratio else float
    reach = _reach(_CONFIDENCE, n) * spread if n > 1 else 0.0
    return Contrast(
        name=quantity.name,
        real=float(np.median(values[:, 0])),
        fake=float(np.median(values[:, 1])),
        change=back(mean),
        ends=(back(mean - reach), back(mean + reach)) if n > 1 else None,
        certain=bool(certain),
        material=abs(mean) >= quantity.material,
    )


def _reach(confidence: float, n: int) -> float:
    return float(stdtrit(n - 1, (1 + confidence) / 2))


def _mixture(
    name: str,
    of: Callable[[Encoding], str],
    pairs: Sequence[Pair],
    units: npt.NDArray[np.intp],
    rng: np.random.Generator,
) -> Mixture | None:
    sides = [[of(pair.real) for pair in pairs], [of(pair.fake) for pair in pairs]]
    differ = sum(one != other for one, other in zip(*sides, strict=True))
    if not differ:
        return None
    names = sorted({*sides[0], *sides[1]})
    # Of each person and value: how many more of the manipulations have it.
    more = np.zeros((int(units.max()) + 1, len(names)))
    for sign, side in zip((-1, 1), sides, strict=True):
        np.add.at(more, (units, np.array([names.index(value) for value in side])), sign)
    more /= len(pairs)
    distance = float(total_variation(more.sum(0), np.zeros(len(names))))
    signs = rng.choice((-1.0, 1.0), (_SWAPS, len(more)))
    swapped = total_variation(signs @ more, np.zeros((_SWAPS, len(names))))
    counts = [dict(Counter(side).most_common()) for side in sides]
    return Mixture(
        name=name,
        real=counts[0],
        fake=counts[1],
        differ=differ,
        distance=distance,
        p=float((1 + np.sum(swapped >= distance - 1e-12)) / (1 + _SWAPS)),
    )


__all__ = ["CHECK", "Compared", "Contrast", "Mixture", "Pair", "compare_encodings", "encoding_findings", "pairs_of"]
