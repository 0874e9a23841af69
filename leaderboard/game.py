"""The game from Python: play a tournament, load one that was played, and judge pictures with its detectors.

import fakeoff

game = fakeoff.play({"rounds": 1}, home="my-game")
game.detectors[0]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fakeoff.arena.compute import undisturbed
from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.jobs.executors import open_executor
from fakeoff.leaderboard.conduct.plugins import open_plugins
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.mlflow.address import server_address
from fakeoff.leaderboard.play import play_record, plays_a_tournament
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.terminal.console import open_console
from fakeoff.protocols.config import TournamentConfig, effective_config, named_plugins
from fakeoff.protocols.measures import Match
from fakeoff.protocols.measures.standings import (
    DetectorStanding,
    GeneratorStanding,
    detector_standings,
    generator_standings,
)
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import Pictures, Verdict, judge_pictures
from fakeoff.protocols.record.versions import newest
from fakeoff.protocols.score.blind import Scores
from fakeoff.protocols.scoring.framing import FRAMINGS, Framing
from fakeoff.protocols.scoring.judges import CHAMPION, choose_judges
from fakeoff.protocols.scoring.scored import Scored, ScoredPicture
from fakeoff.protocols.scoring.sources import find_pictures
from fakeoff.protocols.scoring.stream import score_pictures

Location: TypeAlias = str | os.PathLike[str]
"""A path."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Game:
    """A tournament that was played in a home.

    It does not change when the home is played on; :func:`load` it again then.

    Attributes:
        home: The folder with its store, configuration, scoreboard and MLflow.
        record: Versions, matches, costs, forfeits and so on, typed.
        scoreboard: What stands in ``HOME/scoreboard.json``, which ``scoreboard.to_json()`` gives.
        tournament: Its name, where the home holds several; empty for the one without.
    """

    home: Path
    record: TournamentRecord
    scoreboard: Scoreboard
    tournament: str = ""

    @property
    def detectors(self) -> tuple[DetectorStanding, ...]:
        """The newest version of each detector, best first, without those in ``scoreboard.unranked``."""
        return tuple(detector_standings(self.record))

    @property
    def generators(self) -> tuple[GeneratorStanding, ...]:
        """The newest version of each generator, best first."""
        return tuple(generator_standings(self.record))

    def match(self, generator: str, detector: str) -> Match:
        """One generator version against one detector version, on test.

        Args:
            generator: A version such as ``pgan@1``, or a player's name for its newest version.
            detector: Likewise.

        Raises:
            ConfigError: There is no such version, or the two have no match, because the detector forfeited it.
        """
        maker, judge = self.record.find("generator", generator), self.record.find("detector", detector)
        for match in self.record.matches:
            if (match.generator.label, match.detector.label) == (maker.label, judge.label):
                return match
        reasons = [f.reason for f in self.record.forfeits if (f.player, f.against) == (judge.player, maker.label)]
        why = f": {reasons[0]}" if reasons else "; see record.forfeits"
        raise ConfigError(f"{maker.label} and {judge.label} have no match in '{self.home}'{why}")

    def scores(self, generator: str, detector: str) -> tuple[Scores, Scores]:
        """P(fake) of the test reals and of the generator's test fakes, as the detector judged them.

        Args:
            generator: See :meth:`match`.
            detector: Likewise.

        Returns:
            float32 ``(n,)`` each, in the order of :meth:`images`.

        Raises:
            ConfigError: See :meth:`match`.
            StoreError: The stored scores are damaged.
        """
        return self.match(generator, detector).scores(Home(self.home).open_store())

    def images(self, name: str, *, split: Split = "test") -> Pixels:
        """Images as the detectors were shown them.

        Args:
            name: A generator's version such as ``pgan@1``, its name for the newest version, or ``real``. Where
                generators have several resolutions, the reals of each are called after it: ``real-64px``.
            split: ``train``, ``val`` or ``test``.

        Returns:
            uint8 ``(n, h, w, 3)``, RGB, h and w being ``arena.resolution``.

        Raises:
            ConfigError: There are no such images.
            StoreError: The stored images are damaged.
        """
        if split not in SPLITS:
            raise ConfigError(f"no split '{split}'{suggestion(split, SPLITS) or ';'} give {', '.join(SPLITS)}")
        pools = self.record.pools
        named = {version.player: version.label for version in newest(self.record.versions, "generator")}
        label = name if name in pools else named.get(name, name)
        if label not in pools:
            known = [*(pool for pool in pools if "@" not in pool), *named]
            meant = suggestion(name, [*pools, *named]) or "."
            raise ConfigError(f"no images of '{name}' in this home{meant} There are: {', '.join(known)}")
        return Home(self.home).open_store().read(pools[label][split]).arrays["images"]

    def __repr__(self) -> str:
        detectors = ", ".join(f"{one.player}@{one.round}" for one in self.detectors)
        generators = ", ".join(f"{one.player}@{one.round}" for one in self.generators)
        forfeits = f"; forfeits: {len(self.record.forfeits)}" if self.record.forfeits else ""
        return (
            f"<Game in '{self.home.name}': round {self.record.round}, {len(self.record.matches)} matches; "
            f"detectors, best first: {detectors or 'none'}; generators: {generators or 'none'}{forfeits}>"
        )


@undisturbed()
def play(
    config: TournamentConfig | Mapping[str, Any] | Location | None = None,
    *,
    home: Location,
    serial: bool = False,
    workers: int | None = None,
    quiet: bool = False,
    tracking_uri: str | None = None,
    tournament: str = "",
) -> Game:
    """Plays a tournament, or what is missing of it, and keeps what `fakeoff run` keeps.

    It needs no running event loop and no guard of ``__main__``, so it works in a notebook. Interrupted, the same call
    goes on where it was.

    Args:
        config: A mapping as it would stand in a TOML file, such as ``{"rounds": 1, "attack": {"steps": 50}}``, or the
            path of such a file, or a checked configuration; what it leaves out has its default. None is what the home
            was last played with, or the defaults.
        home: Where everything is kept. It is locked meanwhile.
        serial: One job after the other in this process, without Ray.
        workers: Cores for Ray; all by default.
        quiet: Print no progress.
        tracking_uri: The address of an MLflow server to log to, such as ``http://127.0.0.1:5000``; None is the home's
            own MLflow.
        tournament: Its name, where the home is to hold several: each has a configuration and a scoreboard of its own.

    Returns:
        What was played. Who failed stands in ``record.forfeits``; it is no error.

    Raises:
        FakeoffError: Bad input, a damaged store, or a home that is in use.
    """
    if serial and workers is not None:
        raise ConfigError("serial and workers exclude each other; give one")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give 1 or more, or leave it out for all cores")
    given = Path(config) if isinstance(config, str | os.PathLike) else config
    named = named_plugins(given)
    by_hand = not isinstance(given, Path)  # what stands in the caller's own program, its author has named
    open_plugins(named if by_hand else (), named=() if by_hand else named, home=Home(Path(home)))
    effective = effective_config(given, kept=Home(Path(home), tournament).configuration_to_begin_with)
    if not plays_a_tournament(effective):
        name = effective.protocol.plugin
        raise ConfigError(
            f"'{name}' is an experiment, which has no scoreboard; play it with: fakeoff run --protocol {name}"
        )
    executor, place = open_executor(serial=serial, workers=workers), Home(Path(home).absolute(), tournament)
    server = None if tracking_uri is None else server_address(tracking_uri)
    console = open_console(quiet=quiet)
    return _game(place, play_record(effective, home=place, executor=executor, console=console, server=server))


def load(home: Location, *, tournament: str = "") -> Game:
    """Loads a tournament that was played, or as much of it as there is; nothing is written.

    Args:
        home: Where it was played.
        tournament: Its name, where the home holds several.

    Raises:
        StoreError: Nothing was played there, or it is damaged.
    """
    place = Home(Path(home).absolute(), tournament)
    open_plugins((), home=place)
    return _game(place, read_ledger(place, place.open_store()))


def _game(home: Home, record: TournamentRecord) -> Game:
    return Game(home=home.folder, record=record, scoreboard=build_scoreboard(record), tournament=home.name)


@undisturbed()
def judge(images: Pictures, *, detector: str, home: Location, tournament: str = "") -> tuple[Verdict, ...]:
    """Judges pictures with a detector of a tournament; nothing is written.

    Args:
        images: Paths of image files, or uint8 ``(n, h, w, 3)``, RGB, of any size. They go through the pipeline of the
            tournament's reals: square crop, the generators' resolution where they agree on one, the arena's resolution
            and colour.
        detector: A version such as ``xception_block1@1``, or a player's name for its newest version.
        home: Where it was trained.
        tournament: In which tournament, where the home holds several.

    Returns:
        One for each, in the same order.

    Raises:
        ConfigError: No such detector.
        DataError: A picture is missing, damaged or no image; an array of another kind; or no picture at all.
        PluginError: The detector or the parser misbehaves.
        StoreError: Nothing was played there, or it is damaged.
    """
    place = Home(Path(home), tournament)
    open_plugins((), home=place)
    store = place.open_store()
    return judge_pictures(images, detector=detector, record=read_ledger(place, store), store=store).verdicts


def score(
    pictures: Iterable[Location] | Location,
    *,
    home: Location,
    detector: str = CHAMPION,
    size: Framing = "crop",
    workers: int | None = None,
    tournament: str = "",
) -> Iterator[ScoredPicture]:
    """Judges any number of picture files, a few of them in memory at a time; nothing is written.

    While its result is iterated over, this process computes as a job does: one thread for an operation, and warnings
    are silent. Both are as before when that ends.

    Args:
        pictures: Paths of files and folders, read as they are needed; or one of them. Folders are searched in depth.
        home: Where the detector was trained.
        detector: A player's name for its newest version, a version such as ``xception_block1@1``, or ``champion``: who
            is best on val.
        size: How a picture is brought to the arena's resolution: ``crop``, ``whole`` or ``tiles``; see
            :data:`fakeoff.protocols.scoring.framing.Framing`.
        workers: Threads; as many as there are cores by default.
        tournament: In which tournament, where the home holds several.

    Yields:
        One for each picture, in their order, as they are judged; one that cannot be judged has an ``error`` in place of
        a score.

    Raises:
        ConfigError: No such detector or size, or fewer than one worker.
        PluginError: The detector misbehaves.
        StoreError: Nothing was played there, or it is damaged.
    """
    if size not in FRAMINGS:
        raise ConfigError(f"no size '{size}'{suggestion(size, FRAMINGS) or ';'} give {', '.join(FRAMINGS)}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give 1 or more, or leave it out for all cores")
    place = Home(Path(home), tournament)
    open_plugins((), home=place)
    store = place.open_store()
    record = read_ledger(place, store)
    given = (pictures,) if isinstance(pictures, str | os.PathLike) else pictures
    with undisturbed():
        judges = choose_judges(detector, record=record, store=store)
    found = (one for path in given for one in find_pictures([os.fspath(path)]))
    return _scored(score_pictures(found, judges=judges, record=record, framing=size, workers=workers))


def _scored(each: Iterator[Scored]) -> Iterator[ScoredPicture]:
    with undisturbed():
        for scored in each:
            yield from scored.rows


__all__ = ["Game", "judge", "load", "play", "score"]
