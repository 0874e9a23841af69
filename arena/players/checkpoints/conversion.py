"""Checkpoints rewritten as safetensors, so that later runs read no pickle."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.checkpoint import read_checkpoint, safetensors_header
from fakeoff.arena.players.checkpoints.limits import Unreadable, shown

_MOST_NAMED = 6


@dataclass(frozen=True)
class Conversion:
    """What became of a checkpoint.

    Attributes:
        tensors: How many were written, by the first part of their names.
        size: Of all of them, in bytes.
        left_out: What is in the file and was not taken, and how many of it.
    """

    tensors: dict[str, int]
    size: int
    left_out: dict[str, int]

    def __str__(self) -> str:
        found = _listed(self.tensors)
        left = f"; left out: {_listed(self.left_out)}" if self.left_out else ""
        return f"{sum(self.tensors.values())} tensors, {self.size / 1e6:.1f} MB ({found}){left}"


def convert(source: Path, target: Path) -> Conversion:
    """Reads a checkpoint once and writes its tensors, with the same names, as safetensors.

    Facts beside the tensors, such as a configuration's fields, go into the header, where players find them again.

    Args:
        source: Any file that ``weights`` takes.
        target: The file to write, with the suffix ``.safetensors``; there must be none yet.

    Raises:
        PluginError: The source cannot be read, or the target not be written.
    """
    if target.suffix != ".safetensors":
        raise PluginError(f"'{target}' is no name for safetensors: let it end in .safetensors")
    if target.exists():
        raise PluginError(f"'{target}' is there already; name another file")
    try:
        checkpoint = read_checkpoint(source)
    except Unreadable as error:
        raise PluginError(f"the weights '{source}' cannot be read: {error}") from error
    # Views of one storage share memory, which safetensors refuses.
    tensors = {name: value.contiguous().clone() for name, value in checkpoint.tensors.items()}
    try:
        # Beside the target, so that it is there in one step or not at all.
        with tempfile.TemporaryDirectory(prefix=".convert-", dir=target.absolute().parent) as folder:
            written = Path(folder) / target.name
            save_file(tensors, written, metadata=safetensors_header(checkpoint))
            written.chmod(0o666 & ~_umask())
            written.replace(target)
    except OSError as error:
        raise PluginError(f"'{target}' cannot be written: {error.strerror}") from error
    groups = Counter(name.partition(".")[0] for name in tensors)
    size = sum(value.nbytes for value in tensors.values())
    return Conversion(dict(groups), size, checkpoint.left_out)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _listed(counts: dict[str, int]) -> str:
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{shown(name)} {count}" for name, count in named[:_MOST_NAMED]]
    if len(named) > _MOST_NAMED:
        parts.append(f"{len(named) - _MOST_NAMED} more")
    return ", ".join(parts)
