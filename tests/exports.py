"""Small networks as the files that people have of them."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.detectors import Detector, players


class Whole(nn.Module):
    """A detector of the arena's with its preprocessing, from images in [0, 1] to P(fake)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        return self.detector.score(images)[:, None]


class Small(nn.Module):
    """A convolution, adaptive pooling to ``cells`` a side, and a linear layer."""

    def __init__(self, *, outputs: int = 2, cells: int = 1) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(cells),
            nn.Flatten(),
            nn.Linear(8 * cells * cells, outputs),
        )
        for value in self.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=rng) - 0.4)
        self.state_dict()["layers.1.running_var"].add_(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)  # type: ignore[no-any-return]


def images(n: int, side: int, *, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def quietly(export: Callable[[], Any]) -> Any:
    """PyTorch tells that these exports are older than others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return export()


def to_onnx(network: nn.Module, path: Path, *, side: int) -> str:
    example = torch.zeros(1, 3, side, side)
    quietly(
        lambda: torch.onnx.export(
            network.eval(), (example,), path, dynamo=False, opset_version=17, input_names=["images"]
        )
    )
    return str(path)


def to_torchscript(network: nn.Module, path: Path, *, side: int) -> str:
    quietly(lambda: torch.jit.save(torch.jit.trace(network.eval(), torch.zeros(1, 3, side, side)), path))
    return str(path)


def to_exported(network: nn.Module, path: Path, *, side: int, **options: Any) -> str:
    example = torch.zeros(options.pop("batch", 1), 3, side, side)
    quietly(lambda: torch.export.save(torch.export.export(network.eval(), (example,), **options), path))
    return str(path)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None], **options: Any) -> str:
    """An archive with other records; ``None`` leaves one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **options) as new:
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return str(target)


def archive(records: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in records.items():
            made.writestr(f"model/{name}", content)
    return file.getvalue()


def unlike_new(name: str, **parameters: Any) -> Detector:
    """A detector whose scores are not all alike."""
    player = players.build(name, parameters)
    rng = torch.Generator().manual_seed(3)
    for layer in player.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, generator=rng)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1, generator=rng)
            layer.running_var.uniform_(0.5, 1.5, generator=rng)
    return player.eval()
