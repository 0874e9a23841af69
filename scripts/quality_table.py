"""The tables of networks in ``docs/generators.md``, from the stored results of ``scripts/show_generator.py``: of what
ships, and of what learned from photographs whose terms let neither weights nor pictures ship."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sample_quality import COVERAGE, COVERAGE_BY_FEW, FAKES, MET, NEAREST

from fakeoff.arena.images.assets import sources_of_reals

Measured: TypeAlias = dict[str, Any]

OURS = "orl"
"""The source of reals whose networks ship, with their pictures."""

_BEGIN = "<!-- from here to the end mark: python scripts/show_generator.py --table -->"
_END = "<!-- end of the table -->"
_NONE = ""


def read_results(folder: Path, *, source: str = OURS) -> list[Measured]:
    """What ``show_generator.py`` measured of networks that learned from a source of reals, by name."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    known = [one for one in found if isinstance(one, dict) and "generator" in one and "fakes" in one]
    return [one for one in known if one["name"].startswith(f"{one['generator']}-{source}-")]


def table(results: Sequence[Measured]) -> str:
    """Compares networks in Markdown, a row each; the last rows are the yardsticks, from the first network's results.

    Where nobody says who is on which photograph, nothing is told of people.
    """
    first = results[0]
    held_out, training = first["held-out photographs"], first["training"]
    head = [
        "images",
        "weights trained (sampled with)",
        "file",
        "images seen in training, time",
        "KID",
        "SWD",
        "distance to the nearest training photograph",
        f"training photographs met, of {training['photographs']}",
        f"training people met by {FAKES} images",
        f"by {held_out['photographs']}",
        "bits per dimension: train, val, test",
    ]
    yardsticks = [
        ["the training reals", *[_NONE] * 3, *_apart(first["training reals"]), *[_NONE] * 5],
        [
            f"the {held_out['photographs']} held-out reals",
            *[_NONE] * 5,
            f"{held_out[NEAREST]:.1f}",
            *[_NONE] * 2,
            f"{held_out[COVERAGE]:.0%}",
            _NONE,
        ],
        ["uniform noise", *[_NONE] * 3, *_apart(first["noise"]), *[_NONE] * 5],
    ]
    rows = [head, ["---"] * len(head), *map(_row, results), *yardsticks]
    unknown = set() if training["people"] < training["photographs"] else {8, 9}
    if all("bits per dimension" not in one for one in results):
        unknown.add(10)
    rows = [[cell for place, cell in enumerate(row) if place not in unknown] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in rows)


def write_tables(page: Path, folder: Path) -> None:
    """Puts the table of each source of reals that a page has marks for between them."""
    for source in (OURS, *sources_of_reals()):
        if (results := read_results(folder, source=source)) and _begin(source) in page.read_text():
            write_table(page, results, source=source)


def write_table(page: Path, results: Sequence[Measured], *, source: str = OURS) -> None:
    """Puts the table between its two marks in a page."""
    begin = _begin(source)
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{begin}\n\n{table(results)}\n\n{_END}{after}")


def table_of(page: Path, *, source: str = OURS) -> str:
    """The table that stands in a page."""
    return page.read_text().partition(_begin(source))[2].partition(_END)[0].strip()


def _begin(source: str) -> str:
    return _BEGIN if source == OURS else _BEGIN.replace("from here", f"{source}, from here")


def _row(one: Measured) -> list[str]:
    name, fakes = one["generator"], one["fakes"]
    sizes, training, bits = one["parameters"], one["training"], one.get("bits per dimension")
    of = "all" if sizes["trained"] == sizes["sampled with"] else f"{sizes['sampled with']:,}"
    costs = (
        f"{', '.join(f'{bits[split]:.2f}' for split in ('train', 'val', 'test'))} of {bits['of']}" if bits else _NONE
    )
    return [
        f"[{name}](#{name})" + (f", [samples](pictures/{one['name']}.png)" if "licence" not in one else ""),
        f"{sizes['trained']:,} ({of})",
        f"{one['bytes'] / 1e6:.1f} MB",
        ", ".join([*_seen(training), *_time(training)]),
        _range(fakes["kid"], ".0f"),
        _range(fakes["swd"], ".1f"),
        _range(fakes[NEAREST], ".1f"),
        _range(fakes[MET], "d"),
        _range(fakes[COVERAGE], ".0%"),
        _range(fakes[COVERAGE_BY_FEW], ".0%"),
        costs,
    ]


def _seen(training: Measured) -> list[str]:
    return [f"{training['images']:,}"] if "images" in training else []


def _time(training: Measured) -> list[str]:
    if "seconds" not in training:
        return []
    seconds = training["seconds"]
    took = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    threads = training.get("threads")
    return [took if threads is None else f"{took} on {threads} thread{'s' if threads > 1 else ''}"]


def _apart(figures: Measured) -> list[str]:
    return [f"{figures['kid']:.0f}", f"{figures['swd']:.1f}"]


def _range(values: Sequence[float], form: str) -> str:
    low, high = (format(value, form) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
