"""Puts a tournament into ``docs/reading-results.md``: its standings, its scoreboard and its report as a sample.

fakeoff run examples/three_rounds.toml --serial --home scratch/three
python scripts/reading_results.py scratch/three     # copies the scoreboard and the report, and writes the tables
python scripts/reading_results.py                   # writes the tables of the stored scoreboard
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.formats.markdown import markdown_text
from fakeoff.leaderboard.scoreboard import Scoreboard

DOCS = Path(__file__).parents[1] / "docs"
PAGE, SCOREBOARD = DOCS / "reading-results.md", DOCS / "results" / "three-rounds-scoreboard.json"
SAMPLE = DOCS / "samples" / "report.html"

_BEGIN = "<!-- from here to the end mark: python scripts/reading_results.py -->"
_END = "<!-- end of the table -->"


def draw(scoreboard: Scoreboard) -> str:
    """Standings and attacks in Markdown, as ``fakeoff leaderboard --format markdown`` has them."""
    board = Board(name="three rounds", scoreboard=scoreboard)
    return "\n".join([_BEGIN, "", markdown_text([board]).strip(), "", _END])


def put(page: str, table: str) -> str:
    """The page with other tables between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + table + after


@click.command()
@click.argument("home", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(home: Path | None) -> None:
    if home is not None:
        SAMPLE.parent.mkdir(exist_ok=True)
        shutil.copyfile(home / "scoreboard.json", SCOREBOARD)
        shutil.copyfile(home / "report.html", SAMPLE)
    scoreboard = Scoreboard.from_json(json.loads(SCOREBOARD.read_text()))
    PAGE.write_text(put(PAGE.read_text(), draw(scoreboard)))


if __name__ == "__main__":
    main()
