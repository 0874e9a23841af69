"""A configuration that plays what was extracted, ready to be edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fakeoff.arena.videos.extraction import Extracted

NAME = "game.toml"


def write_game(out: Path, results: Sequence[Extracted], *, resolution: int) -> Path | None:
    """Writes a configuration with the originals as reals and each method as a generator.

    Args:
        out: The folder of the images; the file lies in it.
        results: What was extracted.
        resolution: Of the arena, in pixels.

    Returns:
        The file; None where there is no manipulation to play with.
    """
    methods: dict[str, bool] = {}
    for extracted in results:
        for each in extracted.manipulations:
            if each.frames:
                methods[each.method] = methods.get(each.method, True) and each.masks
    if not methods:
        return None
    root = out.resolve()
    lines = [
        "# The videos of this folder as a game; edit as you like.",
        "",
        f"[reals]\nsource = {_text(root / 'real')}",
        "",
        f"[arena]\nresolution = {resolution}",
        "",
        '[audit]\non_leak = "report" # manipulated videos were compressed once more than their originals',
    ]
    for method in sorted(methods):
        folder = f"folder = {_text(root / 'fake' / method)}, resolution = {resolution}"
        masks = f", masks = {_text(root / 'masks' / method)}" if methods[method] else ""
        lines += ["", "[[generators]]", 'plugin = "images"', f"name = {_text(method)}"]
        lines += [f"parameters = {{ {folder}{masks} }}"]
    path = out / NAME
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _text(value: object) -> str:
    """A TOML string: JSON's escapes are a part of TOML's."""
    return json.dumps(str(value), ensure_ascii=False)
