"""What manipulations of faces are worth: who is on them, what moved, and whether it shows where.

All figures are of pairs; their intervals are over people: whose photographs were changed is drawn again, with all that
was made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena import images
from fakeoff.arena.images.assets import open_asset
from fakeoff.arena.images.batch import Batch
from fakeoff.generators.manipulation import GROUPS, FaceFinder, Faces, align, mean_face, move
from fakeoff.generators.manipulation.expression import anchored, neutral_shapes, shape_frames

Floats = npt.NDArray[np.float64]

_ASSET, _SIDE = "face-identity", 112
# Where networks of this kind are shown eyes, nose and the corners of the mouth (ArcFace, Deng et al., CVPR 2019).
_SHOWN_AT = torch.tensor([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])
_RESAMPLES = 1000


class Recogniser:
    """Tells who is on a photograph: the network of the asset ``face-identity``."""

    def __init__(self) -> None:
        content = open_asset(_ASSET).read("package/model/fr_feature.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name

    def __call__(self, photographs: Tensor, faces: Faces) -> Tensor:
        """Describes faces; the cosine of two descriptions says how alike they are; float32 ``(n, 512)`` of length 1."""
        back = align(_SHOWN_AT.expand(len(faces), -1, -1), _five_points(faces))
        y, x = torch.meshgrid(*(torch.arange(_SIDE) + 0.5,) * 2, indexing="ij")
        places = move(torch.stack([x, y], -1).reshape(1, -1, 2), back).reshape(-1, _SIDE, _SIDE, 2)
        sides = torch.tensor([photographs.shape[-1], photographs.shape[-2]])
        cropped = F.grid_sample(photographs, places / sides * 2 - 1, padding_mode="border", align_corners=False)
        given = ((cropped * 255 - 127.5) / 128).numpy()
        found = [self._session.run(None, {self._name: one[None]})[0].reshape(-1) for one in given]
        return F.normalize(torch.from_numpy(np.stack(found)), dim=1)


def _five_points(faces: Faces) -> Tensor:
    eyes = [faces.group(f"{side}_eye").mean(1) for side in ("right", "left")]
    lips, nose = faces.group("outer_lips"), faces.group("nose")
    rows = torch.arange(len(lips))
    corners = [lips[rows, pick(lips[..., 0], 1)] for pick in (torch.argmin, torch.argmax)]
    # Of the nose's outline the tip lies in the middle, three quarters of the way down.
    top, bottom = (nose[rows, pick(nose[..., 1], 1)] for pick in (torch.argmin, torch.argmax))
    return torch.stack([*eyes, torch.lerp(top, bottom, 0.75), *corners], 1)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Fakes of one manipulator beside the photographs that they were made of.

    Attributes:
        reals: The photographs, of several splits, with persons.
        sources: Places of whose face or expression it is.
        targets: Places of whose photograph it is.
        fakes: What was made, after 8 bits, with masks.
    """

    reals: Batch
    sources: Tensor
    targets: Tensor
    fakes: Batch


def quantised(made: Tensor) -> Tensor:
    """Images as a grey pool keeps them: 8 bits."""
    return images.to_tensor(images.quantise(made, colour="grey"))


def judge(judged: Judged, finder: FaceFinder, recogniser: Recogniser) -> dict[str, object]:
    """All figures, each with its 95% interval over people; JSON-able."""
    reals = judged.reals
    assert reals.person is not None
    assert reals.split is not None
    shown, found = finder(reals.images), finder(judged.fakes.images)
    person = reals.person[judged.targets].numpy()
    looks, of_fakes = recogniser(reals.images, shown), recogniser(judged.fakes.images, found)
    values = {
        **_identity(judged, looks, of_fakes),
        **_seams(judged),
    }
    figures: dict[str, object] = {
        "fakes": len(judged.targets),
        "people": len(np.unique(person)),
        "photographs without a face": int((~shown.found).sum()),
        "fakes in which a face is found": round(float(found.found.float().mean()), 3),
        "recogniser": _yardstick(looks, reals.person),
        **{name: interval(lambda w, v=each: float(np.average(v, weights=w)), person) for name, each in values.items()},
    }
    moved = expressions(judged, shown, found)
    for whose in ("source", "target"):
        figures[f"expression like the {whose}'s"] = {
            name: interval(lambda w, a=of["fake"], b=of[whose]: _correlation(a, b, w), person)
            for name, of in moved.items()
        }
    return figures


def interval(figure: Callable[[Floats], float], person: npt.NDArray[np.int64]) -> dict[str, float]:
    """A figure of weighted pairs with its 95% bootstrap interval over people."""
    draw, (names, place) = np.random.default_rng(0), np.unique(person, return_inverse=True)
    resampled = [
        figure(np.bincount(draw.integers(0, len(names), len(names)), minlength=len(names))[place].astype(float))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return {"is": round(figure(np.ones(len(place))), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _identity(judged: Judged, looks: Tensor, of_fakes: Tensor) -> dict[str, Floats]:
    """Likeness to persons: to the photographs that were not used, of the same split."""
    person, split = judged.reals.person, judged.reals.split
    assert person is not None
    assert split is not None
    used = [judged.sources, judged.targets]
    rows = torch.arange(len(of_fakes))
    may = split[judged.targets][:, None] == split[None]
    for places in used:
        may[rows, places] = False
    everybody = person.unique()
    likeness = of_fakes @ looks.T
    of_person = torch.stack(
        [
            (likeness * (here := may & (person == who))).sum(1) / here.sum(1).clamp(min=1)
            - 9.0 * ~here.any(1)  # nobody of another split
            for who in everybody
        ],
        1,
    )
    nearest = everybody[of_person.argmax(1)]
    source, target = (person[places] for places in used)
    before = looks[judged.sources] @ looks.T
    before_source = torch.stack(
        [before[row][may[row] & (person == person[judged.targets[row]])].mean() for row in rows]
    )
    return {
        "likeness to the source person": _of(of_person, everybody, source),
        "likeness to the target person": _of(of_person, everybody, target),
        "likeness of source and target": before_source.double().numpy(),
        "recognised as the source person": (nearest == source).double().numpy(),
        "recognised as the target person": (nearest == target).double().numpy(),
    }


def _of(of_person: Tensor, everybody: Tensor, who: Tensor) -> Floats:
    return of_person[torch.arange(len(who)), torch.searchsorted(everybody, who)].double().numpy()


def _yardstick(looks: Tensor, person: Tensor) -> dict[str, float]:
    """How well the network tells the photographs' people: its likeness within and between people, and its AUC."""
    upper = torch.triu(torch.ones(len(looks), len(looks), dtype=torch.bool), 1)
    likeness, same = (looks @ looks.T)[upper], (person[:, None] == person)[upper]
    return {
        "same person": round(likeness[same].mean().item(), 4),
        "other persons": round(likeness[~same].mean().item(), 4),
        "AUC": round(float(roc_auc_score(same.numpy(), likeness.numpy())), 4),
    }


def _seams(judged: Judged) -> dict[str, Floats]:
    """What was changed outside of the masks, and how much sharper the fakes are than the photographs at their edge."""
    mask = judged.fakes.mask
    assert mask is not None
    own = judged.reals.images[judged.targets]
    changed = (judged.fakes.images - own).abs().amax(1, keepdim=True)
    edge = ((mask > 0.02) & (mask < 0.98)).float()
    made, was = (_steepness(each, edge) for each in (judged.fakes.images, own))
    return {
        "levels changed outside of the mask": 255 * (changed * (mask == 0)).amax((1, 2, 3)).double().numpy(),
        "share of the image in the mask": (mask > 0).double().mean((1, 2, 3)).numpy(),
        "steepness at the mask's edge, over the target's": (made / was.clamp(min=1e-6)).double().numpy(),
    }


def _steepness(photographs: Tensor, where: Tensor) -> Tensor:
    grey = photographs.mean(1, keepdim=True)
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    steep = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel).abs()
    return (steep * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=1)


def expressions(judged: Judged, shown: Faces, found: Faces) -> Mapping[str, Mapping[str, Floats]]:
    """How far mouth, eyes and brows are from rest, in the mean face's frame: of fakes, sources and targets."""
    reals = judged.reals
    assert reals.person is not None
    shapes = move(shown.points, shape_frames(shown.points))
    rest = neutral_shapes(shapes, reals.person[:, None] == reals.person)
    made = move(found.points, shape_frames(found.points))
    away = {
        "fake": anchored(made - rest[judged.targets]),
        "source": anchored(shapes - rest)[judged.sources],
        "target": anchored(shapes - rest)[judged.targets],
    }
    return {name: {whose: measure(each) for whose, each in away.items()} for name, measure in _MEASURES.items()}


def _lips_open(away: Tensor) -> Floats:
    lower, upper = _halves("inner_lips")
    lips = away[:, GROUPS["inner_lips"], 1]
    return (lips[:, lower].mean(1) - lips[:, upper].mean(1)).double().numpy()


def _lips_wide(away: Tensor) -> Floats:
    x = mean_face()[GROUPS["outer_lips"], 0]
    lips = away[:, GROUPS["outer_lips"], 0]
    return (lips[:, x.argmax()] - lips[:, x.argmin()]).double().numpy()


def _eyes_open(away: Tensor) -> Floats:
    opened = torch.zeros(len(away))
    for side in ("right_eye", "left_eye"):
        lower, upper = _halves(side)
        eye = away[:, GROUPS[side], 1]
        opened += eye[:, lower].mean(1) - eye[:, upper].mean(1)
    return opened.double().numpy()


def _brows_raised(away: Tensor) -> Floats:
    brows = torch.cat([away[:, GROUPS[f"{side}_brow"], 1] for side in ("right", "left")], 1)
    return -brows.mean(1).double().numpy()


def _halves(group: str) -> tuple[Tensor, Tensor]:
    """The lower and the upper points of an outline, by the mean face."""
    y = mean_face()[GROUPS[group], 1]
    return y > y.mean(), y <= y.mean()


_MEASURES: Mapping[str, Callable[[Tensor], Floats]] = {
    "lips open": _lips_open,
    "lips wide": _lips_wide,
    "eyes open": _eyes_open,
    "brows raised": _brows_raised,
}


def _correlation(one: Floats, other: Floats, weights: Floats) -> float:
    """Pearson's, weighted."""
    a, b = (values - np.average(values, weights=weights) for values in (one, other))
    return float((weights * a * b).sum() / np.sqrt((weights * a * a).sum() * (weights * b * b).sum()))
