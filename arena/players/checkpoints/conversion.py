"""Checkpoints rewritten as safetensors, so that later runs read no pickle."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
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


def convert(source: Path, target: Path, *, only: str = "", strip: Sequence[str] = ()) -> Conversion:
    """Reads a checkpoint once and writes its tensors as safetensors, with the same names where nothing else is asked.

    Facts beside the tensors, such as a configuration's fields, go into the header, where players find them again.

    Args:
        source: Any file that ``weights`` takes.
        target: The file to write, with the suffix ``.safetensors``; there must be none yet.
        only: Tensors whose names begin so are taken, without it, and no others: ``g_ema.``.
        strip: What is taken off the beginning of names that have it, one after the other: ``state_dict.``, ``module.``.

    Raises:
        PluginError: The source cannot be read, no name begins so, two would have the same, or the target cannot be
            written.
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
    named = _renamed(list(checkpoint.tensors), source, only=only, strip=strip)
    tensors = {new: checkpoint.tensors[name].contiguous().clone() for name, new in named.items()}
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


def _renamed(names: Sequence[str], source: Path, *, only: str, strip: Sequence[str]) -> dict[str, str]:
    """What each tensor that is taken is to be called."""
    taken = {name: name.removeprefix(only) for name in names if name.startswith(only)}
    _check_some(taken, only, names, source)
    for prefix in strip:
        _check_some([name for name in taken.values() if name.startswith(prefix)], prefix, list(taken.values()), source)
        taken = {name: new.removeprefix(prefix) for name, new in taken.items()}
    if twice := [name for name, count in Counter(taken.values()).items() if count > 1 or not name]:
        raise PluginError(f"of '{source}' several tensors would be called '{twice[0]}'; take off less")
    return taken


def _check_some(found: Sequence[str] | dict[str, str], prefix: str, names: Sequence[str], source: Path) -> None:
    if not found:
        begin = _listed(dict(Counter(name.partition(".")[0] for name in names)))
        raise PluginError(f"no tensor of '{source}' has a name that begins with '{prefix}'; they begin with: {begin}")


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
