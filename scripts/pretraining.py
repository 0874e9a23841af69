"""What the scripts that pretrain generators have in common: settings, checkpoints, samples, log lines."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image

from fakeoff.arena import compute, images
from fakeoff.arena.images.assets import ASSETS, sources_of_reals

_SHOWN, _COLUMNS = 40, 10


def processor(device: torch.device = compute.CPU) -> str:
    """What computes here, as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def read_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``name=value`` as parameters; values are JSON, or text where they are not."""
    parameters: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters


def licence(reals: str) -> str | None:
    """The terms of a source of reals, where it is an asset: what learns from it is not free of them."""
    return ASSETS[reals].licence if reals in sources_of_reals() else None


def header(reals: str) -> dict[str, str] | None:
    """What a file of weights says of the photographs that they learned from, where those have terms."""
    terms = licence(reals)
    # One entry: safetensors writes several in another order each time.
    return None if terms is None else {"licence": f"{reals}: {terms}"}


def write_checkpoint(path: Path, data: object) -> None:
    """Replaces a checkpoint in one step, so that a kill never leaves half a file."""
    partial = path.with_suffix(".partial")
    torch.save(data, partial)
    partial.replace(path)


def read_checkpoint(path: Path, *, shape: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a training left, to go on with; None where there is nothing yet.

    Args:
        path: Of the checkpoint.
        shape: The parameters of what is trained now, which the checkpoint says as ``shape``.

    Raises:
        click.UsageError: It is of something else.
    """
    if not path.exists():
        return None
    saved: dict[str, Any] = torch.load(path, weights_only=True)
    if saved["shape"] != shape:
        raise click.UsageError(f"{path.parent} holds a training of {saved['shape']}; give the same, or another --out")
    return saved


def write_samples(path: Path, fakes: images.Pixels) -> None:
    """Shows the first forty at twice their size."""
    sheet = Image.fromarray(images.grid(fakes[:_SHOWN], columns=_COLUMNS))
    sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST).save(path)


def write_line(log: Path, line: Mapping[str, Any]) -> None:
    """Appends to a log of JSON lines, and says it."""
    text = json.dumps(line)
    with log.open("a") as lines:
        lines.write(text + "\n")
    click.echo(text)


def training_time(log: Path, *, up_to: int | None = None) -> dict[str, Any]:
    """What a log of JSON lines says that a training took.

    Args:
        log: Lines with ``images`` and ``seconds``. The clock may start anew whenever a training was resumed.
        up_to: Images that the weights have seen: what came after them does not count. None counts everything.

    Returns:
        ``images`` seen and ``seconds``; and where every line says the same ``processor`` and ``threads``, those.
    """
    lines = [line for line in map(json.loads, log.read_text().splitlines()) if up_to is None or line["images"] <= up_to]
    seconds = last = 0.0
    for line in lines:
        if line["seconds"] < last:
            seconds += last
        last = line["seconds"]
    told: dict[str, Any] = {"images": max((line["images"] for line in lines), default=0)}
    told["seconds"] = round(seconds + last, 1)
    for name in ("processor", "threads"):
        values = {line.get(name) for line in lines}
        if len(values) == 1 and None not in values:
            told[name] = values.pop()
    return told
