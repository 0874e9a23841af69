"""Why a state does not fit a network, in a line that can be read."""

from __future__ import annotations

import re

from fakeoff.arena.errors import one_line
from fakeoff.arena.players.checkpoints.limits import shown

_NAMED = 3
_QUOTED = re.compile(r'"([^"]*)"')
_HEAD = re.compile(r"Error\(s\) in loading state_dict for \w+:\s*")
_NAMES = {
    "Missing key(s) in state_dict: ": "it lacks",
    "Unexpected key(s) in state_dict: ": "it has what is not the network's:",
}
_SHAPE = re.compile(
    r"size mismatch for (.+): copying a param with shape torch\.Size\(\[([\d, ]*)\]\) from checkpoint, "
    r"the shape in current model is torch\.Size\(\[([\d, ]*)\]\)",
    re.DOTALL,
)


def describe_misfit(error: Exception) -> str:
    """Says what ``load_state_dict`` raised, without the lists of all names that PyTorch adds to it.

    Args:
        error: What it raised. What players' hooks say, and errors of another kind, are said as they are.
    """
    text = str(error)
    if not _HEAD.match(text):
        return one_line(error)
    shapes: list[tuple[str, str, str]] = []
    clauses: list[str] = []
    said: list[str] = []
    for line in _HEAD.sub("", text).split("\n\t"):
        if shape := _SHAPE.match(line):
            shapes.append((shape[1], shape[2], shape[3]))
        elif head := next((head for head in _NAMES if line.startswith(head)), ""):
            clauses.append(f"{_NAMES[head]} {_listed(_QUOTED.findall(line))}")
        else:
            said.append(" ".join(line.split()))
    if shapes:
        name, given, wanted = shapes[0]
        more = f", and {len(shapes) - 1} more are of another shape" if len(shapes) > 1 else ""
        clauses.insert(0, f"its '{shown(name)}' is {_as_shape(given)} where {_as_shape(wanted)} is wanted{more}")
    return "; ".join([*said, *clauses])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"'{shown(name)}'" for name in names[:_NAMED]) + more


def _as_shape(sizes: str) -> str:
    return " x ".join(sizes.split(", ")) if sizes else "one number"


__all__ = ["describe_misfit"]
