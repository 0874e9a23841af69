"""A configuration that plays what was extracted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.images.reals import SPLITS
from fakeoff.arena.videos.manifest import Extracted, writing

NAME = "game.toml"


@dataclass(frozen=True, kw_only=True)
class Game:
    """What can be played.

    Attributes:
        path: The configuration; None where there is nothing to play.
        problems: What of the videos it cannot play, one line each.
        notes: What a user should know of it, one line each.
    """

    path: Path | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_game(out: Path, results: Sequence[Extracted], *, resolution: int) -> Game:
    """Writes a configuration with the originals as reals and each method as a generator.

    A method without frames in one of the splits is left out: what is in a folder without all three would be split by
    file, and people be in two. Masks are given where every frame of a method has one.

    Args:
        out: The folder of the images; the file lies in it. One of before that nothing is left to play of is removed.
        results: What was extracted.
        resolution: Of the arena, in pixels.
    """
    frames: Counter[tuple[str, str]] = Counter()
    masks: Counter[str] = Counter()
    for extracted in results:
        frames["", extracted.split] += extracted.frames
        for each in extracted.manipulations:
            frames[each.method, extracted.split] += each.frames
            masks[each.method] += each.masks
    lacking = {method: [split for split in SPLITS if not frames[method, split]] for method, _ in frames}
    path = out / NAME
    if empty := lacking.get("", [*SPLITS]):
        path.unlink(missing_ok=True)
        return Game(
            path=None,
            problems=(
                f"no {NAME} is written: no frame of an original is in {' and '.join(empty)}, and a game needs all "
                "three; mend the videos that are named above, or add others, and run again",
            ),
        )
    problems = [
        f"{NAME} leaves out {method}: it has no frames in {' and '.join(splits)}, and a game needs all three; mend the "
        "videos that are named above, or add others, and run again"
        for method, splits in sorted(lacking.items())
        if splits and method
    ]
    methods = sorted(method for method, splits in lacking.items() if method and not splits)
    if not methods:
        path.unlink(missing_ok=True)
        note = f"no {NAME} is written: there is no manipulation to play, only originals"
        return Game(path=None, problems=tuple(problems), notes=() if problems else (note,))
    total = {method: sum(frames[method, split] for split in SPLITS) for method in methods}
    notes = [
        f"{NAME} plays {method} without masks: {masks[method]} of its {total[method]} frames have one"
        for method in methods
        if 0 < masks[method] < total[method]
    ]
    root = out.resolve()
    lines = [
        "# The videos of this folder as a game. Each run of 'fakeoff data' writes it anew: edit a copy.",
        "",
        f"[reals]\nsource = {_text(root / 'real')}",
        "",
        f"[arena]\nresolution = {resolution}",
        "",
        '[audit]\non_leak = "report" # manipulated videos were compressed once more than their originals',
    ]
    for method in methods:
        folder = f"folder = {_text(root / 'fake' / method)}, resolution = {resolution}"
        with_masks = f", masks = {_text(root / 'masks' / method)}" if masks[method] == total[method] else ""
        lines += ["", "[[generators]]", 'plugin = "images"', f"name = {_text(method)}"]
        lines += [f"parameters = {{ {folder}{with_masks} }}"]
    partial = path.with_suffix(".partial")
    with writing(path):
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.replace(path)
    return Game(path=path, problems=tuple(problems), notes=tuple(notes))


def _text(value: object) -> str:
    """A TOML string: JSON's escapes are a part of TOML's."""
    return json.dumps(str(value), ensure_ascii=False)
