"""The teacher of the face parser: MediaPipe's face mesh and person mask, read from its wheel as data.

The networks run in a TFLite interpreter (``pip install ai-edge-litert``); MediaPipe itself is not imported. Face
detection: BlazeFace short range (Bazarevsky et al. 2019, https://arxiv.org/abs/1907.05047); landmarks: face mesh
(Kartynnik et al. 2019, https://arxiv.org/abs/1907.06724). What the mesh leaves open (where hair, neck and clothes
begin) is grown from seeds by a random walker on colour (Grady 2006).
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.segmentation import random_walker

from fakeoff.arena.images.assets import open_asset
from fakeoff.arena.parsers import LANDMARKS, PARTS

SIDE = 256
"""Pixels a side of what the teacher sees."""

LABEL_SIDE = 128
"""Pixels a side of its label maps."""

_MODULES = "mediapipe/modules"
_CONNECTIONS = "mediapipe/python/solutions/face_mesh_connections.py"
_MESH_POINTS = 468
_DETECTOR_SIDE, _MESH_SIDE, _PERSON_SIDE = 128, 192, 256
_NO_FACE_BELOW = 0.5

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What the teacher says of one picture.

    Attributes:
        labels: uint8 ``(128, 128)``: indices into :data:`fakeoff.arena.parsers.PARTS`.
        landmarks: float32 ``(146, 2)``: x and y as shares of the side.
    """

    labels: Labels
    landmarks: Floats


class FaceTeacher:
    """Labels faces with MediaPipe's networks."""

    def __init__(self) -> None:
        wheel = open_asset("mediapipe")
        self._detector = _network(wheel.read(f"{_MODULES}/face_detection/face_detection_short_range.tflite"))
        self._mesh = _network(wheel.read(f"{_MODULES}/face_landmark/face_landmark.tflite"))
        self._person = _network(wheel.read(f"{_MODULES}/selfie_segmentation/selfie_segmentation.tflite"))
        self._contours = _read_contours(wheel.read(_CONNECTIONS).decode())
        self._points = np.concatenate([self._contours[name] for name in LANDMARKS])

    def teach(self, picture: Image.Image) -> Lesson | None:
        """Labels a square picture; None where no face is found."""
        picture = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        mesh = self._find_mesh(picture)
        if mesh is None:
            return None
        person = np.clip(self._person(_tensor(picture, _PERSON_SIDE))[0][0, ..., 0], 0, 1)
        labels = label_parts(picture, mesh, person, self._contours)
        return Lesson(labels=labels, landmarks=(mesh[self._points] / SIDE).astype(np.float32))

    def _find_mesh(self, picture: Image.Image) -> Floats | None:
        """The 468 points in pixels of the picture: detect, crop upright at 1.5 times the box, and look again there."""
        box = self._detect(picture)
        if box is None:
            return None
        for _ in range(2):
            centre, side, angle = box
            crop, back = _upright_crop(picture, centre, side, angle, _MESH_SIDE)
            outputs = self._mesh(_tensor(crop, _MESH_SIDE))
            points, presence = sorted(outputs, key=lambda output: -output.size)[:2]
            if 1 / (1 + np.exp(-float(presence.ravel()[0]))) < _NO_FACE_BELOW:
                return None
            mesh = points.reshape(_MESH_POINTS, 3)[:, :2] @ back[:, :2].T + back[:, 2]
            box = _box_of(mesh)
        return mesh.astype(np.float32)

    def _detect(self, picture: Image.Image) -> tuple[Floats, float, float] | None:
        values = Image.Image.resize(picture, (_DETECTOR_SIDE, _DETECTOR_SIDE), Image.Resampling.BILINEAR)
        outputs = self._detector(np.asarray(values, dtype=np.float32)[None] / 127.5 - 1)
        boxes, logits = sorted(outputs, key=lambda output: -output.size)
        best = int(logits.ravel().argmax())
        if 1 / (1 + np.exp(-float(logits.ravel()[best]))) < _NO_FACE_BELOW:
            return None
        raw = boxes[0, best] / _DETECTOR_SIDE
        anchor = _anchors()[best]
        centre = (raw[:2] + anchor) * SIDE
        eyes = (raw[4:8].reshape(2, 2) + anchor) * SIDE
        angle = float(np.arctan2(*(eyes[1] - eyes[0])[::-1]))
        return centre, float(max(raw[2:4]) * SIDE * 1.5), angle


def label_parts(
    picture: Image.Image, mesh: Floats, person: Floats, contours: dict[str, npt.NDArray[np.int64]]
) -> Labels:
    """Turns a mesh and a person mask into a label map.

    Args:
        picture: 256 px a side.
        mesh: Float ``(468, 2)``, pixels of the picture.
        person: Float ``(256, 256)``: P(person).
        contours: Point indices by group.
    """
    scale = LABEL_SIDE / SIDE
    small = np.asarray(picture.resize((LABEL_SIDE, LABEL_SIDE), Image.Resampling.LANCZOS), dtype=np.float64) / 255
    mask = np.asarray(Image.fromarray(person).resize((LABEL_SIDE, LABEL_SIDE), Image.Resampling.BILINEAR))
    shapes = {name: _fill(mesh[points] * scale) for name, points in contours.items()}
    for side in ("right", "left"):
        shapes[f"{side}_brow"] = ndimage.binary_dilation(shapes[f"{side}_brow"])
    x, y = _face_frame(mesh * scale)
    brow = float(np.median(y[shapes["right_brow"] | shapes["left_brow"]]))
    labels = _grow(small, _seeds(small, x, y, brow=brow, person=mask, shapes=shapes))
    # Light hair beside the face looks like an ear to colour alone.
    too_far = (labels == PARTS.index("ear")) & ~_ear_box(x, y, brow, margin=0.04)
    labels[too_far] = np.where(mask > 0.5, PARTS.index("hair"), PARTS.index("background"))[too_far]
    labels[(mask < 0.45) & ~shapes["oval"]] = PARTS.index("background")
    # Where none hangs beside the jaw, what looks like hair below it is a shadow or clothes.
    for side in (x < 0, x > 0):
        hair = (labels == PARTS.index("hair")) & side
        jaw = side & (np.abs(x) > 0.45) & (np.abs(x) < 0.6) & (y > -0.4) & (y < -0.15)
        if (hair & jaw).sum() < 0.4 * jaw.sum():
            low = hair & (y > -0.15)
            labels[low] = np.where(mask > 0.8, PARTS.index("clothes"), PARTS.index("background"))[low]
    # The mesh knows these better than colour does.
    face = labels == PARTS.index("skin")
    labels[(labels == PARTS.index("ear")) & shapes["oval"]] = PARTS.index("skin")
    for name, part in (("nose", "nose"), ("outer_lips", "mouth")):
        labels[shapes[name]] = PARTS.index(part)
    inside = shapes["oval"] & (labels != PARTS.index("hair"))
    for side in ("right", "left"):
        labels[shapes[f"{side}_brow"] & (inside | face)] = PARTS.index("brow")
        labels[shapes[f"{side}_eye"]] = PARTS.index("eye")
    return labels


def _seeds(
    small: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    *,
    brow: float,
    person: Floats,
    shapes: dict[str, npt.NDArray[np.bool_]],
) -> npt.NDArray[np.int64]:
    """Pixels whose part is sure, by geometry and by colour; 0 is unsure, else 1 + part.

    ``x`` and ``y`` are in widths of the face, y = 0 at the chin; ``brow`` is a y.
    """
    width = max(1, round(np.sqrt(shapes["oval"].sum())))
    inner = ndimage.binary_erosion(shapes["oval"], iterations=max(1, width // 12))
    features = np.any([shapes[name] for name in shapes if name not in ("oval", "nose")], axis=0)
    # A fringe may hide the forehead: only the face below the brows is surely skin.
    sure_skin = inner & ~ndimage.binary_dilation(features, iterations=2) & (y > brow)
    colours = ndimage.gaussian_filter(small, (0.7, 0.7, 0))
    like_skin = _likeness(colours, colours[sure_skin])
    outside = ~ndimage.binary_dilation(shapes["oval"], iterations=max(1, width // 24))
    body = person > 0.6
    seeds = np.zeros((LABEL_SIDE, LABEL_SIDE), dtype=np.int64)

    def plant(where: npt.NDArray[np.bool_], part: str) -> None:
        seeds[where & (seeds == 0)] = 1 + PARTS.index(part)

    plant(sure_skin, "skin")
    plant(inner & (like_skin < 2.0), "skin")
    plant(inner & (like_skin > 5.0) & (y < brow), "hair")
    plant(person < 0.25, "background")
    # Ears: of the skin's colour, beside the face, from the brows to the lips.
    beside = body & outside & (np.abs(x) > 0.42)
    plant(beside & _ear_box(x, y, brow, margin=0.0) & (like_skin < 1.7), "ear")
    # Hair: of the person, above the chin, beside or above the face, and not of the skin's colour.
    hair = ndimage.binary_erosion(body & outside & (y < -0.1) & ((np.abs(x) > 0.48) | (y < brow)) & (like_skin > 2.5))
    plant(hair & (y < -0.25), "hair")
    # Above the forehead light hair is told from a bald head by little.
    top = y[shapes["oval"]].min()
    plant(ndimage.binary_erosion(body & (y < top - 0.05) & (like_skin > 1.6)), "hair")
    below = body & (y > 0.04)
    plant(below & (np.abs(x) < 0.38) & (like_skin < 2.5) & (y < 0.6), "neck")
    # Hair falls below the chin only where it hangs beside the jaw: dark clothes look like dark hair.
    if hair.sum() > 20:
        like_hair = _likeness(colours, colours[hair])
        for side in (x < 0, x > 0):
            jaw = side & outside & (np.abs(x) > 0.45) & (np.abs(x) < 0.65) & (y > -0.35) & (y < -0.1)
            if jaw.any() and (hair & jaw).sum() > 0.4 * jaw.sum():
                hanging = side & body & (np.abs(x) > 0.35) & (np.abs(x) < 0.9) & (y > -0.25) & (y < 0.45)
                plant(hanging & (like_hair < 1.5) & (like_skin > 2.0), "hair")
    plant(ndimage.binary_erosion(below & (y > 0.2) & (like_skin > 2.5)), "clothes")
    plant(below & (y > 0.5) & (like_skin < 1.5), "neck")
    # Shoulders beside the neck, where no hair hangs.
    plant(ndimage.binary_erosion(body & (y > -0.02) & (np.abs(x) > 0.5) & (like_skin > 2.5)), "clothes")
    return seeds


def _ear_box(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], brow: float, *, margin: float
) -> npt.NDArray[np.bool_]:
    """Beside the face, from the brows to the nose's end, in widths of the face."""
    return (np.abs(x) < 0.6 + margin) & (y > brow - 0.02 - margin) & (y < -0.36 + margin)


def _face_frame(mesh: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where every pixel of the label map lies as seen from the face: right and down, in widths of the face."""
    rows, columns = np.mgrid[:LABEL_SIDE, :LABEL_SIDE] + 0.5
    across = mesh[454] - mesh[234]  # from one edge of the cheeks to the other
    eyes = mesh[263] - mesh[33]
    width = max(float(np.hypot(*across)), 1.0)
    right = eyes / max(float(np.hypot(*eyes)), 1e-6)
    middle, chin = (mesh[454] + mesh[234]) / 2, mesh[152]
    x = ((columns - middle[0]) * right[0] + (rows - middle[1]) * right[1]) / width
    y = (-(columns - chin[0]) * right[1] + (rows - chin[1]) * right[0]) / width
    return x, y


def _likeness(colours: npt.NDArray[np.float64], sample: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mahalanobis distance of each pixel's colour from a sample's; median and robust spread."""
    centre = np.median(sample, axis=0)
    near = sample[np.abs(sample - centre).sum(1) <= np.quantile(np.abs(sample - centre).sum(1), 0.9)]
    covariance = np.cov(near.T) + np.eye(3) * 0.03**2
    difference = colours - centre
    return np.sqrt(np.einsum("hwc,cd,hwd->hw", difference, np.linalg.inv(covariance), difference))


def _grow(small: npt.NDArray[np.float64], seeds: npt.NDArray[np.int64]) -> Labels:
    present = np.unique(seeds[seeds > 0])
    dense = np.zeros_like(seeds)
    for index, value in enumerate(present, start=1):
        dense[seeds == value] = index
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grown = random_walker(small, dense, beta=300, mode="cg_j", tol=1e-3, channel_axis=-1)
    return (present[np.clip(grown, 1, len(present)) - 1] - 1).astype(np.uint8)


def _fill(polygon: Floats) -> npt.NDArray[np.bool_]:
    """A polygon as a mask, drawn four times as large and reduced by majority."""
    large = Image.new("L", (LABEL_SIDE * 4, LABEL_SIDE * 4))
    ImageDraw.Draw(large).polygon([(float(x) * 4, float(y) * 4) for x, y in polygon], fill=255)
    return np.asarray(large.resize((LABEL_SIDE, LABEL_SIDE), Image.Resampling.BOX)) > 127


def _read_contours(source: str) -> dict[str, npt.NDArray[np.int64]]:
    """Reads the mesh's named outlines as ordered point indices, without running the file."""
    edges: dict[str, list[tuple[int, int]]] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            name, given = statement.targets[0], statement.value.args
            if isinstance(name, ast.Name) and given and isinstance(given[0], ast.List):
                edges[name.id] = ast.literal_eval(given[0])
    lips = _chains(edges["FACEMESH_LIPS"])
    contours = {
        "oval": _chains(edges["FACEMESH_FACE_OVAL"])[0],
        # Two open lines each, lower and upper: there along one and back along the other.
        "right_brow": _loop(_chains(edges["FACEMESH_RIGHT_EYEBROW"])),
        "left_brow": _loop(_chains(edges["FACEMESH_LEFT_EYEBROW"])),
        "right_eye": _chains(edges["FACEMESH_RIGHT_EYE"])[0],
        "left_eye": _chains(edges["FACEMESH_LEFT_EYE"])[0],
        # From the bridge down the right side, under the tip and up the left side.
        "nose": [168, 193, 245, 114, 217, 198, 129, 64, 98, 2, 327, 294, 358, 420, 437, 343, 465, 417],
        "outer_lips": next(chain for chain in lips if 61 in chain),
        "inner_lips": next(chain for chain in lips if 78 in chain),
    }
    for name, points in contours.items():
        if len(points) != LANDMARKS[name]:
            raise ValueError(f"{name} has {len(points)} points, not {LANDMARKS[name]}")
    return {name: np.array(contours[name], dtype=np.int64) for name in LANDMARKS}


def _chains(edges: list[tuple[int, int]]) -> list[list[int]]:
    """Orders edges into lines and loops, each from its smallest end or smallest point."""
    neighbours: dict[int, list[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    chains = []
    left = set(neighbours)
    while left:
        ends = [point for point in left if len(neighbours[point]) == 1]
        chain = [min(ends or left)]
        left.discard(chain[0])
        while following := sorted(point for point in neighbours[chain[-1]] if point in left):
            chain.append(following[0])
            left.discard(following[0])
        chains.append(chain)
    return sorted(chains)


def _loop(chains: list[list[int]]) -> list[int]:
    first, second = chains
    return [*first, *reversed(second)]


def _upright_crop(
    picture: Image.Image, centre: Floats, side: float, angle: float, size: int
) -> tuple[Image.Image, npt.NDArray[np.float64]]:
    """Cuts a rotated square out; also the affine map from the crop's pixels back to the picture's."""
    cos, sin, zoom = np.cos(angle), np.sin(angle), side / size
    back = np.array([[cos * zoom, -sin * zoom, 0], [sin * zoom, cos * zoom, 0]])
    back[:, 2] = np.asarray(centre) - back[:, :2] @ np.array([size / 2, size / 2])
    crop = picture.transform((size, size), Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BILINEAR)
    return crop, back


def _box_of(mesh: npt.NDArray[np.floating]) -> tuple[Floats, float, float]:
    low, high = mesh.min(0), mesh.max(0)
    angle = float(np.arctan2(*(mesh[263] - mesh[33])[::-1]))
    return ((low + high) / 2).astype(np.float32), float((high - low).max() * 1.5), angle


def _anchors() -> Floats:
    """Centres of the detector's 896 boxes: 2 a cell at stride 8, 6 a cell at stride 16."""
    centres = []
    for cells, boxes in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        centre = np.stack([(x + 0.5) / cells, (y + 0.5) / cells], -1).reshape(-1, 2)
        centres.append(np.repeat(centre, boxes, axis=0))
    return np.concatenate(centres).astype(np.float32)


def _tensor(picture: Image.Image, side: int) -> Floats:
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)[None] / 255


def _network(content: bytes):  # type: ignore[no-untyped-def]
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()

    def run(values: Floats) -> list[Floats]:
        interpreter.set_tensor(given, values)
        interpreter.invoke()
        return [np.array(interpreter.get_tensor(output["index"])) for output in taken]

    return run
