"""Records are under a checksum: what was changed in a home reaches no scoreboard and no reader silently.

One home is damaged in one place at a time, drawn by Hypothesis. Then it is the same scoreboard to the byte (what was
changed is nothing that anybody reads), or one line that says what is damaged; and playing it again computes anew what
was, and comes to the same.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import ARRAYS_FILE, RECORD_FILE, Store
from fakeoff.cli import main
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger, write_ledger
from fakeoff.leaderboard.home.provenance import Provenance, keep_provenance
from fakeoff.leaderboard.scoreboard import build_scoreboard, scoreboard_text, write_scoreboard
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig

Change = Callable[[st.DataObject, Path, Sequence[Path]], None]

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class _Witness:
    """Remembers what was damaged, and what ran."""

    def __init__(self) -> None:
        self.was_damaged: list[Job] = []
        self.ran: list[str] = []

    def damaged(self, job: Job, reason: str) -> None:
        self.was_damaged.append(job)

    def finished(self, outcome: Outcome) -> None:
        self.ran.append(outcome.job.key)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _play(config: TournamentConfig, home: Path) -> _Witness:
    witness = _Witness()
    place = Home(home)
    record = play_tournament(
        config, source=open_source("orl"), store=Store(place.store), executor=SerialExecutor(), observer=witness
    )
    write_ledger(record, place)
    write_scoreboard(build_scoreboard(record), place)
    keep_provenance(Provenance(scoreboard="", players=(), conditions=()), place)
    return witness


@pytest.fixture(scope="module")
def config(toy_config: Callable[..., TournamentConfig]) -> TournamentConfig:
    return toy_config(
        detectors=[{"plugin": "toy_detector"}, {"plugin": "toy_brightness"}],
        score={"resamples": 100, "scored_again": 2, "quality_gate": True},
        parts={"parser": ""},
        audit={"on_leak": "skip"},
    )


@pytest.fixture(scope="module")
def home(config: TournamentConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    _play(config, home)
    return home


@pytest.fixture(scope="module")
def truth(home: Path) -> str:
    return (home / "scoreboard.json").read_text()


# ---- what is changed


def _a_digit(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    text = path.read_bytes()
    digits = [place for place, byte in enumerate(text) if 0x30 <= byte <= 0x39]
    place = data.draw(st.sampled_from(digits), label="which digit")
    other = data.draw(st.sampled_from([one for one in b"0123456789" if one != text[place]]), label="becomes")
    path.write_bytes(text[:place] + bytes([other]) + text[place + 1 :])


def _a_bit(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(content))


def _cut(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1), label="cut at")])


def _another_in_its_place(data: st.DataObject, path: Path, like: Sequence[Path]) -> None:
    other = data.draw(st.sampled_from([one for one in like if one.read_bytes() != path.read_bytes()]), label="of")
    shutil.copyfile(other, path)


def _a_value(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    found = json.loads(path.read_text())
    above, key = data.draw(st.sampled_from(list(_places(found))), label="value")
    above[key] = data.draw(
        st.sampled_from([float("inf"), float("-inf"), float("nan"), None, True, -1, 0.5, "x", [], {}, 10**400])
    )
    path.write_text(json.dumps(found))


def _a_key(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    found = json.loads(path.read_text())
    above, key = data.draw(st.sampled_from(list(_places(found))), label="without")
    del above[key]
    path.write_text(json.dumps(found))


def _two_values_swapped(data: st.DataObject, path: Path, _: Sequence[Path]) -> None:
    found = json.loads(path.read_text())
    places = list(_places(found))
    (a, one), (b, two) = (data.draw(st.sampled_from(places)) for _ in range(2))
    with suppress(KeyError, IndexError, ValueError):  # one stands inside the other
        a[one], b[two] = b[two], a[one]
    with suppress(ValueError, RecursionError):
        path.write_text(json.dumps(found))


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    inside = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in list(inside):
        yield found, key
        yield from _places(value)


IN_TEXT: tuple[Change, ...] = (_a_digit, _cut, _another_in_its_place, _a_value, _a_key, _two_values_swapped)
IN_BYTES: tuple[Change, ...] = (_a_bit, _cut, _another_in_its_place)


@contextmanager
def _changed(home: Path, data: st.DataObject, names: Sequence[str]) -> Iterator[Path]:
    """The home with one of the files of these names changed, and whole again afterwards."""
    name = data.draw(st.sampled_from(names), label="file")
    like = sorted(home.rglob(name))
    path = data.draw(st.sampled_from(like), label="path")
    changes = IN_BYTES if name == ARRAYS_FILE else IN_TEXT if len(like) > 1 else IN_TEXT[:2] + IN_TEXT[3:]
    before = path.read_bytes()
    try:
        data.draw(st.sampled_from(changes), label="change")(data, path, like)
        yield path
    finally:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(before)


KEPT = (RECORD_FILE, ARRAYS_FILE, "tournament.json")


@given(data=st.data())
@settings(SLOW, max_examples=150)
def test_nothing_changed_reaches_a_scoreboard_silently(data: st.DataObject, home: Path, truth: str) -> None:
    with _changed(home, data, KEPT) as path:
        found = _read(home)
        is_told = str(path if path.parent == home else path.parent) in found and "\n" not in found
        assert found == truth or is_told


@given(data=st.data())
@settings(SLOW, max_examples=12)
def test_what_was_changed_is_named_and_computed_anew(
    data: st.DataObject, config: TournamentConfig, home: Path, truth: str
) -> None:
    with _changed(home, data, (RECORD_FILE, ARRAYS_FILE)) as path:
        key = path.parent.name
        arrays = (path.parent / ARRAYS_FILE).read_bytes()
        is_read = _is_damaged(home, key)
        witness = _play(config, home)
        assert (home / "scoreboard.json").read_text() == truth
        assert {job.key for job in witness.was_damaged} <= {key}
        assert set(witness.ran) <= {key}
        # Arrays that nothing asks for lie as they are; whoever asks is told.
        assert not is_read or key in witness.ran or (path.parent / ARRAYS_FILE).read_bytes() == arrays


def _read(home: Path) -> str:
    """The scoreboard, or why there is none."""
    try:
        return scoreboard_text(build_scoreboard(read_ledger(Home(home), Store(home / "store"))))
    except FakeoffError as error:
        return str(error)


def _is_damaged(home: Path, key: str) -> bool:
    try:
        Store(home / "store").read(key)
    except FakeoffError:
        return True
    return False


COMMANDS = (
    ("leaderboard", "--home", "{home}"),
    ("leaderboard", "{home}/scoreboard.json"),
    ("leaderboard", "--home", "{home}", "--list"),
    ("report", "--home", "{home}", "--out", "{out}/report.html"),
    ("export", "--home", "{home}", "{out}/images"),
    ("compare", "{home}", "{home}"),
)


SAID = ("cannot be read", "is damaged", "alone:")


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:
    """What commands print of the home as it is."""
    return {words: _told(_run(words, home, tmp_path_factory.mktemp("out"))) for words in COMMANDS}


def _run(words: Sequence[str], home: Path, out: Path) -> Result:
    done = CliRunner().invoke(main, [word.format(home=home, out=out) for word in words])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


def _told(done: Result) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "then", done.stdout)


@given(data=st.data())
@settings(SLOW, max_examples=20)
def test_commands_say_it_in_one_line(
    data: st.DataObject,
    home: Path,
    whole: dict[tuple[str, ...], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    words = data.draw(st.sampled_from(COMMANDS), label="command")
    out = tmp_path_factory.mktemp("out")
    with _changed(home, data, (*KEPT, "format.json", "scoreboard.json", "provenance.json")):
        done = _run(words, home, out)
    if done.exit_code:
        assert done.exit_code == 2
        assert len(re.findall("^fakeoff: |^Error: ", done.output, flags=re.MULTILINE)) == 1, done.output
    elif "{out}" not in " ".join(words):  # a folder of its own stands in what is printed
        assert _told(done) == whole[words] or any(said in done.output for said in SAID), done.output
