"""The report of the toys' home."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.report.report import write_report
from tests.leaderboard.report.reading import Read, read


@pytest.fixture(scope="session")
def report(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the toys' tournament. Read it, do not write."""
    return write_report(Home(home), out=tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="session")
def page(report: Path) -> Read:
    return read(report.read_text())
