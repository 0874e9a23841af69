"""What is said of mutants is said of the code as it is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EQUIVALENT = tomllib.loads((ROOT / "scripts" / "mutants_equivalent.toml").read_text())["equivalent"]


@pytest.mark.parametrize("entry", EQUIVALENT, ids=lambda entry: entry["before"])
def test_what_nobody_could_tell_from_the_original_is_still_there_and_has_a_reason(entry: dict[str, str]) -> None:
    lines = (ROOT / entry["module"]).read_text().splitlines()
    assert entry["before"] in " ".join(line.strip() for line in lines)
    assert entry["before"] != entry["after"]
    assert len(entry["reason"].split()) > 3


def test_each_stored_survivor_is_equivalent_for_the_reason_that_is_listed() -> None:
    reasons = {(entry["module"], entry["before"], entry["after"]): entry["reason"] for entry in EQUIVALENT}
    found = json.loads((ROOT / "docs" / "results" / "mutants.json").read_text())
    assert {"rules", "metrics", "standings", "seeds", "store", "audit", "parts"} == set(found)
    for part in found.values():
        for module, tried in part["modules"].items():
            assert tried["mutants"] == tried["noticed"] + len(tried["survivors"])
            for one in tried["survivors"]:
                assert one["equivalent"] == reasons[module, one["before"], one["after"]]
