"""Tables of whole tournaments in the documents: of all detectors, and of the manipulators that attack.

    fakeoff run examples/every_detector.toml --serial --home scratch/every-detector
    python scripts/tournament_table.py every-detector scratch/every-detector
    fakeoff run examples/manipulators.toml --serial --home scratch/manipulators
    python scripts/tournament_table.py manipulators scratch/manipulators

Of a home's scoreboard it keeps what the table is made of in ``docs/results/NAME.json``; without a home the table is
drawn again from that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pretraining import processor

_DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"every-detector": "detectors.md", "manipulators": "generators.md"}
"""Where each table is."""

_END = "<!-- end of the table -->"
_KEPT = ("generator", "generator_round", "detector", "detector_round", "is_target", "ap", "ap_ci", "auc", "auc_ci")


def reduce(scoreboard: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the table is made of, and what it says of where it came from."""
    return {
        "config": f"examples/{name.replace('-', '_')}.toml",
        "processor": processor(),
        "compute": scoreboard["config"]["compute"],
        "attacks": scoreboard["attacks"],
        "unranked": scoreboard["unranked"],
        "passed_over": scoreboard["passed_over"],
        "masking": scoreboard["masking"],
        "forfeits": scoreboard["forfeits"],
        "cells": [{name: cell[name] for name in _KEPT} for cell in scoreboard["cells"]],
    }


def table(result: Mapping[str, Any], name: str) -> str:
    """Detectors by generators in Markdown, best mean of the last column first.

    Of a generator that attacked: AP on its fakes, then of the same detector on the fakes after the attack, then of the
    retrained one on these. Of one that stayed as it was: of the retrained one. The last column is the mean of the
    retrained detector over all newest versions.
    """
    cells = {
        (cell["detector"], cell["detector_round"], cell["generator"], cell["generator_round"]): cell["ap"]
        for cell in result["cells"]
    }
    newest: dict[str, int] = {}
    for _, _, generator, round_ in cells:
        newest[generator] = max(round_, newest.get(generator, 0))
    generators = sorted(newest, key=lambda name: (newest[name] == 0, name))
    last = max(round_ for _, round_, _, _ in cells)
    detectors = list(dict.fromkeys(detector for detector, _, _, _ in cells))

    def rounds(detector: str) -> Sequence[int]:
        return sorted({round_ for name, round_, _, _ in cells if name == detector})

    def path(detector: str, generator: str) -> str:
        first, after = rounds(detector)[0], rounds(detector)[-1]
        places = (
            [(first, 0), (first, newest[generator]), (after, newest[generator])] if newest[generator] else [(after, 0)]
        )
        return " → ".join(f"{cells[detector, judge, generator, maker]:.2f}" for judge, maker in places)

    def mean(detector: str) -> float:
        after = rounds(detector)[-1]
        found = [cells[detector, after, generator, newest[generator]] for generator in generators]
        return sum(found) / len(found)

    head = ["detector", *(f"`{name}`" for name in generators), f"mean of its version {last}"]
    rows = [head, ["---"] * len(head)]
    for detector in sorted(detectors, key=mean, reverse=True):
        rows.append([f"`{detector}`", *(path(detector, name) for name in generators), f"{mean(detector):.2f}"])
    return "\n".join([_begin(name), "", *(f"| {' | '.join(row)} |" for row in rows), "", _END])


def put(page: str, drawn: str, name: str) -> str:
    """The page with another table between its marks."""
    before, _, rest = page.partition(_begin(name))
    _, _, after = rest.partition(_END)
    return before + drawn + after


def _begin(name: str) -> str:
    return f"<!-- from here to the end mark: python scripts/tournament_table.py {name} -->"


@click.command()
@click.argument("name", type=click.Choice(list(PAGES)))
@click.argument("home", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(name: str, home: Path | None) -> None:
    results = _DOCS / "results" / f"{name}.json"
    if home is not None:
        result = reduce(json.loads((home / "scoreboard.json").read_text()), name)
        results.write_text(json.dumps(result, indent=1) + "\n")
    page = _DOCS / PAGES[name]
    page.write_text(put(page.read_text(), table(json.loads(results.read_text()), name), name))


if __name__ == "__main__":
    main()
