"""One small tournament of toys, played once; most tests read its home."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from mlflow import MlflowClient
from rich.console import Console
from threadpoolctl import threadpool_limits

from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.play import play
from fakeoff.leaderboard.plots.plots import to_pixels
from fakeoff.leaderboard.scoreboard import SCHEMA_VERSION, Scoreboard
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import MEASURES
from fakeoff.protocols.measures.tournament import TournamentRecord


class Replaying(SerialExecutor):
    """Answers from another home's store what is in it, computes the rest, and may be interrupted on its way.

    Attributes:
        ran: The tasks that it was given, such as ``attack``.
    """

    def __init__(self, results: Store, *, interrupt_at: tuple[str, int] | None = None) -> None:
        super().__init__()
        self.ran: list[str] = []
        self._results, self._interrupt_at = results, interrupt_at

    def wait(self) -> Outcome:
        job = self._waiting[0][0]
        task = job.task.partition(":")[2]
        self.ran.append(task)
        if self._interrupt_at == (task, self.ran.count(task)):
            raise KeyboardInterrupt
        if job.key not in self._results:
            return super().wait()
        self.take()
        return Outcome(job=job, result=self._results.read(job.key), failure=None, seconds=0.0)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    # The linear algebra of scipy takes ten times as long when its threads wait for cores that others use.
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def make_config(toy_config: Callable[..., TournamentConfig]) -> Callable[..., TournamentConfig]:
    """``toy_config`` with two rounds, two generators, one of them fixed, two detectors, and matches behind JPEG."""

    def make(**over: Any) -> TournamentConfig:
        larger: dict[str, Any] = {
            "rounds": 2,
            "generators": [{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}],
            "detectors": [
                {"plugin": "toy_detector", "name": "first"},
                {"plugin": "toy_detector", "name": "second", "parameters": {"init_seed": 1}},
            ],
            "score": {"resamples": 100, "scored_again": 0, "quality_gate": False, "through": ["jpeg:75"]},
        }
        return toy_config(**{**larger, **over})

    return make


@pytest.fixture(scope="session")
def whole() -> Callable[[Mapping[str, Any]], Scoreboard]:
    """A scoreboard from as much of its JSON as a test is about; what is left out has a neutral value."""

    def make(data: Mapping[str, Any]) -> Scoreboard:
        rest = {
            "schema_version": SCHEMA_VERSION,
            "config": {"score": {"confidence": 0.95}},
            "data": {},
            "round": 0,
            "standings": {"detectors": [], "generators": []},
        }
        sections = {
            measure.section: [_filled(measure.row_type, row) for row in data.get(measure.section, ())]
            for measure in MEASURES
        }
        return Scoreboard.from_json({**rest, **data, **sections})

    return make


def _filled(kind: Any, given: Any = None) -> Any:
    """What was given, and neutral values where nothing was."""
    if dataclasses.is_dataclass(kind):
        hints, had = get_type_hints(kind), given or {}
        return {field.name: _filled(hints[field.name], had.get(field.name)) for field in dataclasses.fields(kind)}
    if given is not None:
        return given
    neutral: dict[Any, Any] = {int: 1, float: 0.5, bool: False, str: "", tuple: (0.0, 1.0), Mapping: {}, dict: {}}
    return neutral.get(get_origin(kind) or kind)


@pytest.fixture(scope="session")
def play_in(toys: Path) -> Callable[..., dict[str, Any]]:
    """Plays a configuration in a home with an executor."""

    def play_there(config: TournamentConfig, home: Path, executor: Any) -> dict[str, Any]:
        quiet = Console(file=io.StringIO())
        return play(config, home=Home(home), executor=executor, console=quiet).to_json()

    return play_there


@pytest.fixture(scope="session")
def home(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    make_config: Callable[..., TournamentConfig],
    play_in: Callable[..., dict[str, Any]],
) -> Path:
    """Two rounds, played without interruption. Read it, do not write."""
    home = make_home(tmp_path_factory.mktemp("played"))
    play_in(make_config(), home, SerialExecutor())
    return home


@pytest.fixture(scope="module")
def quick_pictures(home: Path, quick_pictures: None) -> None:
    """As everywhere, once the home that all look at has its real pictures."""


@pytest.fixture(scope="session")
def results(home: Path) -> Store:
    return Store(home / "store")


@pytest.fixture(scope="session")
def record(home: Path, results: Store) -> TournamentRecord:
    return read_ledger(Home(home), results)


@pytest.fixture(scope="session")
def scoreboard(home: Path) -> dict[str, Any]:
    return json.loads((home / "scoreboard.json").read_text())


@pytest.fixture(scope="session")
def replaying(results: Store) -> Callable[..., Replaying]:
    """An executor that knows the played home's results; it may be interrupted at the n-th job of a task."""

    def make(*, interrupt_at: tuple[str, int] | None = None) -> Replaying:
        return Replaying(results, interrupt_at=interrupt_at)

    return make


@pytest.fixture(scope="session")
def client() -> Callable[[Path], MlflowClient]:
    """MLflow's own client of a home: what anybody can read without Fakeoff."""

    def open_client(home: Path) -> MlflowClient:
        return MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")

    return open_client


@pytest.fixture
def new_home(tmp_path: Path, make_home: Callable[[Path], Path]) -> Path:
    """A home in which nothing was played."""
    return make_home(tmp_path / "home")


@pytest.fixture(scope="session")
def check_texts() -> Callable[[Figure], None]:
    """Asserts that no text of a figure is cut off, and that no tick labels overlap."""

    def check(figure: Figure) -> None:
        pixels = to_pixels(figure)
        assert pixels.std() > 20, "blank"
        renderer = FigureCanvasAgg(figure).get_renderer()
        height, width = pixels.shape[:2]
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                box = text.get_window_extent(renderer)
                inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
                assert inside, f"'{text.get_text()}' is cut off"
        for axes in figure.axes:
            boxes = [label.get_window_extent(renderer) for label in axes.get_xticklabels() if label.get_text()]
            for left, right in itertools.pairwise(boxes):
                assert left.x1 < right.x0, "labels overlap"

    return check
