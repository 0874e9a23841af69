"""Writes docs/scoreboard.schema.json, the JSON schema of a home's scoreboard.json, from the records in the code.

python scripts/write_schema.py            writes it
python scripts/write_schema.py --check    exits 1 if it is out of date

When the version of the file changes, keep the schema of before first: docs/scoreboard-2.schema.json is version 2's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fakeoff.leaderboard.formats.schema import scoreboard_schema

SCHEMA = Path(__file__).parents[1] / "docs" / "scoreboard.schema.json"


def schema_text() -> str:
    return json.dumps(scoreboard_schema(), indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="say whether it is out of date, and write nothing")
    parser.add_argument("--file", type=Path, default=SCHEMA, help="another file than docs/scoreboard.schema.json")
    given = parser.parse_args()
    if not given.check:
        given.file.write_text(schema_text())
    elif not given.file.is_file() or given.file.read_text() != schema_text():
        sys.exit(f"{given.file.name} is out of date; run: python scripts/write_schema.py")


if __name__ == "__main__":
    main()
