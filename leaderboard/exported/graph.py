"""A detector's graph in ONNX, tried before anybody is given it: with its scores, on the images of the test."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff import detectors
from fakeoff.arena.errors import FakeoffError, JobFailed, PluginError, one_line
from fakeoff.detectors import Detector, PatchDetector
from fakeoff.detectors.decision import decide
from fakeoff.leaderboard.exported.subject import Subject
from fakeoff.protocols.rules import referee

TOLERANCE = 1e-4
"""By how much a score of the graph may differ from the detector's, in P(fake)."""

INPUT, OUTPUT, PATCHES = "images", "p_fake", "patch_p_fake"

_OPERATORS = 17  # of ONNX: what the exporter and ONNX Runtime have known for long
_NOT_PYTORCH = ": part of it is not computed by PyTorch"
_EXAMPLE = 2  # with one image alone, its number would become part of the graph


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph that was tried.

    Attributes:
        side: Height and width in pixels of the images that it takes.
        batch: Whether it takes any number of images at once; else one.
        patches: Whether it also gives P(fake) of each patch.
        difference: The largest, between its scores and the detector's.
        images: On how many.
        of_test: Whether these are images of the test; else noise.
    """

    side: int
    batch: bool
    patches: bool
    difference: float
    images: int
    of_test: bool


class _Judged(nn.Module):
    """A detector with its preprocessing and what it makes of its output, from images in [0, 1] to P(fake)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        # Else its patches say nothing of how it puts them together.
        self.by_patches = isinstance(detector, PatchDetector) and type(detector).score is PatchDetector.score

    def forward(self, images: Tensor) -> Any:
        if isinstance(self.detector, PatchDetector) and self.by_patches:
            patches = self.detector.patch_scores(images)
            return decide(patches, self.detector.decision)[:, None], patches
        return self.detector.score(images)[:, None]


def write_graph(subject: Subject, path: Path) -> Graph | str:
    """Writes a detector as ONNX, where that has the same scores.

    Args:
        subject: A detector.
        path: The file.

    Returns:
        What was tried; or why there is no file, in one line.
    """
    if any(importlib.util.find_spec(library) is None for library in ("onnx", "onnxruntime")):
        return "ONNX Runtime, with which it is tried, is not here: pip install 'fakeoff[onnx]'"
    try:
        detector = referee.build_detector(subject.spec.identity(), version=subject.state).eval()
        side = detector.side or subject.side
        shown, of_test = subject.pictures
        expected = referee.judge(detector, shown)
        found = "it cannot be traced"
        for batch in (True, False):
            network = _Judged(detector)
            _export(network, path, side=side, batch=batch)
            try:
                played = detectors.players.build("fixed", {"model": str(path), **graph_parameters()})
            except PluginError as error:  # a graph without an input is a score that was worked out elsewhere
                path.unlink()
                return f"its graph cannot be played ({error}){_NOT_PYTORCH}"
            difference = float((referee.judge(played, shown) - expected).abs().max())
            if difference > TOLERANCE:
                path.unlink()
                return f"its graph gives other scores, by {difference:.2g}{_NOT_PYTORCH}"
            if batch and not _takes_many(played, detector, shown):
                continue
            return Graph(
                side=side,
                batch=batch,
                patches=network.by_patches,
                difference=difference,
                images=len(shown),
                of_test=of_test,
            )
    except (FakeoffError, JobFailed) as error:
        found = " ".join(str(error).split())
    except Exception as error:  # PyTorch's exporter raises whatever it meets
        found = one_line(error).partition(". ")[0][:200]
    path.unlink(missing_ok=True)
    return found


def graph_parameters() -> dict[str, Any]:
    """The parameters of a ``fixed`` that plays a graph that :func:`write_graph` wrote, but for its file.

    Images of another size are resized as the arena does it for detectors that take one size only.
    """
    return {"output": "probability", "kernel": "lanczos", "eight_bits": False}


def _export(network: _Judged, path: Path, *, side: int, batch: bool) -> None:
    outputs = [OUTPUT, *([PATCHES] if network.by_patches else [])]
    with _quietly(), torch.no_grad():
        torch.onnx.export(
            network.eval(),
            (torch.rand(_EXAMPLE if batch else 1, 3, side, side, generator=torch.Generator().manual_seed(0)),),
            str(path),
            dynamo=False,  # the other exporter needs onnxscript
            opset_version=_OPERATORS,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *outputs)} if batch else None,
        )


def _takes_many(played: Any, detector: Detector, images: Tensor) -> bool:
    """Whether several images at once have the scores of each by itself; the arena shows a graph one at a time."""
    shown = referee.shown(detector, images[:5])
    with contextlib.suppress(FakeoffError, RuntimeError):
        found = played.network.run(played.preprocessing(shown))
        expected = referee.judge(detector, images[:5])
        return bool(found.shape[0] == len(shown) and (found[:, 0] - expected).abs().max() <= TOLERANCE)
    return False


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what PyTorch says of the exporter's age, and of what it traces."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


__all__ = ["INPUT", "OUTPUT", "PATCHES", "TOLERANCE", "Graph", "graph_parameters", "write_graph"]
