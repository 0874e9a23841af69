"""A sample of ``make torture``: bad inputs of every border, and a game that is killed and played on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"


def test_nothing_is_lost_and_nothing_ends_in_a_traceback(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [
        sys.executable,
        str(SCRIPTS / "torture.py"),
        "--kills",
        "1",
        "--inputs",
        "24",
        "--work",
        str(tmp_path / "work"),
    ]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout
    found = json.loads(out.read_text())
    assert (found["inputs"]["tried"], found["inputs"]["survived"]) == (24, 24)
    assert (found["kills"]["tried"], found["kills"]["survived"], found["kills"]["lost"]) == (1, 1, 0)
