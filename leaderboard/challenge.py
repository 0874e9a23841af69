"""A challenge in one home: what is played, and under which name it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.experiments import play_experiment
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.terminal.progress import Verbosity
from fakeoff.protocols.config import PlayedProtocol, Player, TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord

_NAME_CHARACTERS = 40  # of a player's: an experiment's has 64


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How much harder a challenge attacks than the tournament did; see :class:`fakeoff.protocols.challenge.Challenge`.

    Attributes:
        steps: Times the steps of finetuning that were played.
        restarts: Finetunings of each generator.
        rates: Learning rates; 0 is each generator's own.
        queries: Times those of the configuration; 0 searches nothing.
        metric: ``auc`` or ``ap``.
    """

    steps: float = 4.0
    restarts: int = 3
    rates: tuple[float, ...] = (0.0,)
    queries: float = 4.0
    metric: str = "auc"


def play_challenge(
    entry: str,
    *,
    home: Home,
    strength: Strength,
    executor: Executor,
    console: Console,
    server: str | None = None,
    verbosity: Verbosity = "normal",
) -> Mapping[str, Any]:
    """Challenges an entry of the tournament that was played in a home, with the configuration that it was played with.

    Args:
        entry: A detector's version such as ``resnet18_layer1@1``, or its name for the newest one.
        home: Where it was played. It is locked meanwhile.
        strength: Of the attacks.
        executor: Where jobs run; it is closed at the end.
        console: For progress.
        server: The address of an MLflow server to log to; None is the home's own MLflow.
        verbosity: How much is said of the game.

    Returns:
        What was found, as :func:`fakeoff.leaderboard.experiments.play_experiment` returns it.

    Raises:
        FakeoffError: There is no such entry, nothing was played, or see there.
    """
    config = challenge_config(entry, read_ledger(home, home.open_store(), figures=False), strength=strength)
    return play_experiment(config, home=home, executor=executor, console=console, server=server, verbosity=verbosity)


def play_newcomer(
    plugin: str,
    *,
    kind: Literal["generator", "detector"],
    called: str = "",
    parameters: Mapping[str, Any] | None = None,
    home: Home,
    executor: Executor,
    console: Console,
    server: str | None = None,
    verbosity: Verbosity = "normal",
) -> Mapping[str, Any]:
    """Plays a newcomer against all versions of the tournament in a home, which stay as they are.

    Args:
        plugin: Its registered name, or the path of its class.
        kind: What it is.
        called: What it is called here; the plugin's name by default.
        parameters: Of its constructor.
        home: Where the tournament was played. It is locked meanwhile.
        executor: See :func:`play_challenge`, as all that follows.
        console: Likewise.
        server: Likewise.
        verbosity: Likewise.

    Raises:
        FakeoffError: There is no such player, nothing was played, or see :func:`play_challenge`.
    """
    newcomer = Player(plugin=plugin, name=called, parameters=dict(parameters or {}))
    config = newcomer_config(newcomer, read_ledger(home, home.open_store(), figures=False), kind=kind)
    return play_experiment(config, home=home, executor=executor, console=console, server=server, verbosity=verbosity)


def newcomer_config(
    newcomer: Player, played: TournamentRecord, *, kind: Literal["generator", "detector"]
) -> TournamentConfig:
    """The configuration of the game that was played, and a newcomer in it.

    Args:
        newcomer: Who.
        played: The tournament; its figures are not needed.
        kind: What it is.

    Raises:
        ConfigError: Somebody of that name plays already.
    """
    config = played.config
    if newcomer.name in {player.name for player in (*config.generators, *config.detectors)}:
        harder = f"fakeoff challenge {newcomer.name}" if kind == "detector" else "fakeoff run --rounds"
        raise ConfigError(
            f"'{newcomer.name}' plays in this home already: {harder} is about it; to play it as a newcomer, call it "
            "something else with --as"
        )
    name = f"newcomer-{newcomer.name[:_NAME_CHARACTERS]}-{digest([kind, newcomer.model_dump(mode='json')])[:6]}"
    parameters = {"newcomer": newcomer.name, "kind": kind}
    side = "generators" if kind == "generator" else "detectors"
    return config.model_copy(
        update={
            side: (*getattr(config, side), newcomer),
            "protocol": PlayedProtocol(plugin="newcomer", parameters=parameters, name=name),
        }
    )


def challenge_config(entry: str, played: TournamentRecord, *, strength: Strength) -> TournamentConfig:
    """The configuration of a challenge. Challenges of other strengths have other names, and each is kept.

    Args:
        entry: See :func:`play_challenge`.
        played: The tournament; its figures are not needed.
        strength: Of the attacks.

    Raises:
        ConfigError: There is no such detector.
    """
    generators = {text for one in played.versions if one.kind == "generator" for text in (one.player, one.label)}
    # Of a generator the protocol says why not, which knows all that can be challenged.
    label = entry if entry in generators else played.find("detector", entry).label
    parameters = {"detector": label, **asdict(strength)}
    player, _, round_ = label.partition("@")
    name = f"challenge-{player[:_NAME_CHARACTERS]}-{round_ or 'newest'}-{digest(parameters)[:6]}"
    protocol = PlayedProtocol(plugin="challenge", parameters=parameters, name=name)
    return played.config.model_copy(update={"protocol": protocol})


__all__ = ["Strength", "challenge_config", "newcomer_config", "play_challenge", "play_newcomer"]
