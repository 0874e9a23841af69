from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_has_what_is_stored_and_what_is_stored_holds_what_the_page_says() -> None:
    spec = importlib.util.spec_from_file_location("coverage_table", ROOT / "scripts" / "coverage_table.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    told = json.loads(script.RESULTS.read_text())
    assert script.put(script.PAGE.read_text(), script.draw(told)) == script.PAGE.read_text()
    held = [case[name] for case in told["cases"] for name in ("auc_held", "ap_held", "difference_held")]
    assert min(held) >= 0.93
    few = [case["percentiles_held"] for case in told["cases"] if case["correlation"] == 0.5 and case["auc"] == 0.9]
    assert max(few) < 0.93  # what was done before is worse, or there was no need to change it
