"""What the scripts that pretrain generators have in common: settings, trainings that resume, samples, log lines."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from torch import Tensor

from fakeoff.arena import compute, images
from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.images.assets import ASSETS, sources_of_reals
from fakeoff.arena.images.reals import RealSource, open_source
from fakeoff.generators import players

COUNT = click.IntRange(min=1)
"""Options that count something."""

FOLDER = click.Path(file_okay=False, path_type=Path)
"""Options that name a folder, which need not be there yet."""

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


def open_reals(reals: str) -> RealSource:
    """Opens a source of reals, and says its terms where it has any.

    Raises:
        click.UsageError: There is no such source, or it cannot be used.
    """
    try:
        source = open_source(reals)
    except FakeoffError as error:
        raise click.UsageError(str(error)) from error
    if terms := licence(reals):
        click.echo(f"{reals}: {terms}; so are weights that learn from it")
    return source


def build(name: str, parameters: Mapping[str, Any]) -> Any:
    """Constructs a generator, to be trained.

    Raises:
        click.UsageError: It is unknown, or has no such parameters.
    """
    try:
        return players.build(name, players.complete(name, parameters))
    except (FakeoffError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def draw_mirrored(photographs: Tensor, batch: int, *, rng: torch.Generator) -> Tensor:
    """Photographs, each mirrored or not; ``(batch, 3, h, w)``."""
    index = torch.randint(len(photographs), (batch,), generator=rng)
    flip = torch.rand(batch, 1, 1, 1, generator=rng) < 0.5
    return torch.where(flip, photographs[index].flip(-1), photographs[index])


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where a training is measured and saved.

    Attributes:
        images: Seen so far.
        measured: What steps measured: moving averages since this call began.
        began: When the training would have begun, had nothing been between its calls; on the monotonic clock.
    """

    images: int
    measured: Mapping[str, float]
    began: float

    def seconds(self) -> float:
        """What the training took until now, in all its calls."""
        return time.monotonic() - self.began


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that is stopped and called again, and then makes the weights that it would have made in one go.

    Attributes:
        player: Who learns. It counts ``images_seen`` and has a ``training_state`` beside its state dict.
        rng: What steps draw from.
        checkpoint: The file that it goes on from.
        shape: The player's parameters, where checkpoints are to say them: those of others are refused.
        told: What else decides what is learned, such as the reals and the seed: other ones are refused, too.
    """

    player: Any
    rng: torch.Generator
    checkpoint: Path
    shape: Mapping[str, Any] | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    def resume(self, **given: Any) -> dict[str, Any]:
        """Takes up what :meth:`save` wrote, and returns it; nothing where there is nothing yet.

        Args:
            **given: Goes to the player's ``load_training_state``.

        Raises:
            click.UsageError: It is of another training.
        """
        if not self.checkpoint.exists():
            return {}
        try:
            saved: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        except Exception as error:  # of a damaged file PyTorch raises whatever its first bytes lead to
            raise click.UsageError(f"{self.checkpoint} cannot be read: delete it to begin anew") from error
        holds, mend = f"{self.checkpoint.parent} holds a training of", "give the same, or another --out"
        if (told := saved.get("shape")) != self.shape:
            raise click.UsageError(f"{holds} {told or 'another generator'}; {mend}")
        for name, value in saved.get("told", {}).items():  # checkpoints from before it was told say nothing
            if self.told.get(name) != value:
                raise click.UsageError(f"{holds} --{name} {value}, not {self.told.get(name)}; {mend}")
        try:
            self.player.load_state_dict(saved["player"])
        except RuntimeError as error:
            raise click.UsageError(f"{holds} another network; {mend}") from error
        self.player.load_training_state(saved["training"], **given)
        self.rng.set_state(saved["rng"])
        click.echo(f"carries on at {int(self.player.images_seen)} images")
        return saved

    def stops(
        self,
        step: Callable[[], Mapping[str, float]],
        *,
        images: int,
        every: int,
        minutes: float = math.inf,
        seconds: float = 0.0,
    ) -> Iterator[Stop]:
        """Trains, and stops wherever a checkpoint is due; last where the training is over.

        Args:
            step: Trains on a batch, and returns what it measured.
            images: To see in all.
            every: Images between checkpoints.
            minutes: To train for now, of the clock.
            seconds: What earlier calls took.
        """
        started, seen = time.monotonic(), int(self.player.images_seen)
        measured: dict[str, float] = {}
        is_over = seen >= images
        while not is_over:
            for name, value in step().items():
                measured[name] = 0.98 * measured.get(name, value) + 0.02 * value
            before, seen = seen, int(self.player.images_seen)
            is_over = seen >= images or time.monotonic() - started > 60 * minutes
            if is_over or seen // every > before // every:
                yield Stop(images=seen, measured=measured, began=started - seconds)

    def save(self, *, seconds: float, **own: Any) -> None:
        """Replaces the checkpoint in one step, so that a kill never leaves half a file.

        Args:
            seconds: What the training took until now.
            **own: What else it goes on from.
        """
        shape = {"told": dict(self.told), **({} if self.shape is None else {"shape": self.shape})}
        state = {"training": self.player.training_state(), "rng": self.rng.get_state(), "seconds": seconds}
        partial = self.checkpoint.with_suffix(".partial")
        torch.save({**shape, "player": self.player.state_dict(), **state, **own}, partial)
        partial.replace(self.checkpoint)


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
