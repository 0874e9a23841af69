"""The page: what stands in it, and how it becomes HTML.

Everything is in the one file. Its policy (``Content-Security-Policy``) forbids every request, and lets run only the one
style and the one script whose hashes it names; no text that a player chose is ever markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from fakeoff import __version__
from fakeoff.leaderboard.report.faces import Faces
from fakeoff.leaderboard.report.facts.experiments import Experiment
from fakeoff.leaderboard.report.facts.matrix import LEVELS, Matrix
from fakeoff.leaderboard.report.facts.recipe import Recipe
from fakeoff.leaderboard.report.facts.shifts import Move
from fakeoff.leaderboard.report.facts.state import State
from fakeoff.leaderboard.report.facts.tables import Table
from fakeoff.leaderboard.report.pictures import Picture
from fakeoff.leaderboard.verdict.cautions import Caution
from fakeoff.leaderboard.verdict.leaders import Verdict
from fakeoff.protocols.drawing import inks

_BREAKS = re.compile(r"(?<=[_\-])(?=[^\W_])|(?=@)")


@dataclass(frozen=True, kw_only=True)
class Game:
    """What the page says of a tournament.

    Attributes:
        tested_on: How many images of how many people.
        story: What happened, a sentence or some for each attack, and who was never fooled.
        verdicts: Who won, and how sure that is.
        intervals: What stands beside figures.
        cautions: What figures are not to be read without.
        limits: What they cannot tell.
        standings: Who is ahead.
        matrix: Who catches whom; None where nothing was scored.
        attacks: What came of the attacks, in sentences.
        changes: The same in tables.
        moves: Where in the face fakes gave themselves away, each with its picture.
        heatmaps: What patch detectors see.
        faces: Before and after.
        state: The state of the game, with its chart; None in files of before.
        costs: What generator versions look like.
        more: Searches and localisation.
        matches: Every figure.
        recipe: How to play it again.
    """

    tested_on: str
    story: Sequence[str]
    verdicts: Sequence[Verdict]
    intervals: str
    cautions: Sequence[Caution]
    limits: Sequence[str]
    standings: Sequence[Table]
    matrix: Matrix | None
    attacks: Sequence[str]
    changes: Sequence[Table]
    moves: Sequence[tuple[Move, Picture | None]]
    heatmaps: Sequence[Picture]
    faces: Sequence[Faces]
    state: tuple[State, Picture | None] | None
    costs: Table | None
    more: Sequence[Table]
    matches: Table | None
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Page:
    """All of it.

    Attributes:
        title: Of the page.
        subtitle: What was played, in a sentence.
        game: The tournament; None where only experiments were played.
        experiments: Each with its pictures.
        left_out: Pictures for which there was no room.
        written_by: The Fakeoff that wrote it.
    """

    title: str
    subtitle: str
    game: Game | None
    experiments: Sequence[tuple[Experiment, Sequence[Picture]]]
    left_out: Sequence[str]
    written_by: str = f"Fakeoff {__version__}"


def render(page: Page) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or __name__.rpartition(".")[0]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"broken": _broken, "told": _told}
    style = environment.get_template("report.css").render(
        fake=inks.FAKE, real=inks.REAL, light=_levels(dark=False), dark=_levels(dark=True)
    )
    script = _source(environment, "report.js")
    text = environment.get_template("report.html").render(
        page=page,
        game=page.game,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return f"{text}\n"


def _broken(name: str) -> Markup:
    """A player's version with places at which a narrow column may break it."""
    return Markup("<wbr>").join(Markup.escape(part) for part in _BREAKS.split(name))


def _told(figure: str) -> Markup:
    """A figure with its interval, which a narrow column may put below it."""
    for begins in (" (", " at least ", " at most "):
        if begins in figure:
            before, _, interval = figure.partition(begins)
            return Markup('{} <span class="interval">{}</span>').format(before, f"{begins.lstrip()}{interval}")
    return Markup.escape(figure)


def _levels(*, dark: bool) -> str:
    """The colours of the matrix, as variables of the style."""
    colours = inks.levels(LEVELS + 1, dark=dark)
    return " ".join(f"--l{level}: {colour};" for level, colour in enumerate(colours))


def _source(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    return source


def _hash(source: str) -> str:
    """As a content security policy names what it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


__all__ = ["Game", "Page", "render"]
