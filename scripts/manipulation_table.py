"""The table of manipulators in ``docs/generators.md``, from the stored results of ``scripts/judge_manipulations.py``.

python scripts/manipulation_table.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAMES = ("deepfakes", "face2face", "faceswap", "neural_textures")

_DOCS = Path(__file__).parents[1] / "docs"
_BEGIN = "<!-- from here to the end mark: python scripts/manipulation_table.py -->"
_END = "<!-- end of the table -->"
_PERCENT = ("recognised as the source person", "recognised as the target person", "share of the image in the mask")
_LEVELS = "levels changed outside of the mask"
_ROWS = {
    "likeness to the source person": "likeness to the source person",
    "likeness to the target person": "likeness to the target person",
    "recognised as the source person": "recognised as the source person",
    "recognised as the target person": "recognised as the target person",
    _LEVELS: "levels changed outside of the mask, of 255",
    "steepness at the mask's edge, over the target's": "steepness at the mask's edge, over the target's",
    "share of the image in the mask": "share of the image in the mask",
}
_FEATURES = ("lips open", "lips wide", "eyes open", "brows raised")


def read_results(folder: Path, people: str) -> dict[str, Mapping[str, Any]]:
    """What was measured of fakes of some people, ``all`` or ``test``, by manipulator."""
    return {name: json.loads((folder / f"{name}-orl-64.json").read_text())[people] for name in NAMES}


def table(folder: Path, people: str) -> str:
    """Compares manipulators in Markdown, a column each."""
    measured = read_results(folder, people)
    head = [f"fakes of {'everybody' if people == 'all' else 'the people of test'}", *(f"`{name}`" for name in NAMES)]
    rows = [head, ["---"] * len(head)]
    for key, words in _ROWS.items():
        rows.append([words, *(_cell(key, measured[name][key]) for name in NAMES)])
    for side in ("source", "target"):
        of = f"expression like the {side}'s"
        for feature in _FEATURES:
            cells = (_cell(feature, measured[name][of][feature]) for name in NAMES)
            rows.append([f"{feature}: correlation with the {side}'s", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def tables(folder: Path) -> str:
    """Both tables with their marks: of everybody, and of the people of test alone."""
    return "\n\n".join([_BEGIN, table(folder, "all"), table(folder, "test"), _END])


def put(page: str, drawn: str) -> str:
    """The page with other tables between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + drawn + after


def _cell(key: str, value: Mapping[str, float]) -> str:
    ends: Iterator[float] = (value[end] for end in ("is", "low", "high"))
    if key in _PERCENT:
        middle, low, high = (f"{100 * end:.0f}%" for end in ends)
    elif key == _LEVELS:
        return f"{value['is']:.0f}"
    else:
        middle, low, high = (f"{end:.2f}" for end in ends)
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    page = _DOCS / "generators.md"
    page.write_text(put(page.read_text(), tables(_DOCS / "results")))
