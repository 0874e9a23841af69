"""Writes how often intervals hold the truth into ``docs/scoreboard.md``, from ``docs/results/coverage.json``.

python benchmarks/coverage.py --out docs/results/coverage.json
python scripts/coverage_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE, RESULTS = DOCS / "scoreboard.md", DOCS / "results" / "coverage.json"

_BEGIN = "<!-- coverage, from here to the end mark: python scripts/coverage_table.py -->"
_END = "<!-- end of the coverage -->"
_COLUMNS = {
    "AUC": "auc_held",
    "average precision": "ap_held",
    "difference of two detectors": "difference_held",
    "AUC, percentiles over images": "percentiles_held",
}


def draw(told: dict[str, Any]) -> str:
    """A row for each number of people and correlation: the least and the most of all true AUCs below 1."""
    lines = [f"| people | correlation | {' | '.join(_COLUMNS)} |", "| --- | --- |" + " --- |" * len(_COLUMNS)]
    cases = [case for case in told["cases"] if case["auc"] < 1]
    for people, correlation in dict.fromkeys((case["people"], case["correlation"]) for case in cases):
        mine = [case for case in cases if (case["people"], case["correlation"]) == (people, correlation)]
        held = [[case[column] for case in mine] for column in _COLUMNS.values()]
        lines.append(
            f"| {people} | {correlation} | " + " | ".join(f"{min(each):.1%} to {max(each):.1%}" for each in held) + " |"
        )
    aucs = sorted({case["auc"] for case in cases})
    said = (
        f"From the least to the most over true AUCs of {', '.join(f'{auc:g}' for auc in aucs)}; "
        f"{told['tests of each case']} simulated tests each, nominal {told['confidence']:.0%}, "
        f"on an {told['processor']}. At a true AUC of 1 all hold it."
    )
    return "\n".join([_BEGIN, *lines, "", said, _END])


def put(page: str, table: str) -> str:
    """The page with another table between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + table + after


def main() -> None:
    PAGE.write_text(put(PAGE.read_text(), draw(json.loads(RESULTS.read_text()))))


if __name__ == "__main__":
    main()
