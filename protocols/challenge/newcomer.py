"""A newcomer against the frozen archive of a home: where would it stand, had it been there?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.protocols.challenge.archive import Archive
from fakeoff.protocols.challenge.entry import check_same_game
from fakeoff.protocols.challenge.place import find_place, match_rows, place_row, standing_rows
from fakeoff.protocols.challenge.place_figure import draw_place
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.measures import Match
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.record.versions import Version, newest


class Newcomer(Protocol):
    """Plays a newcomer against all that the home's tournament left, and says where it would stand.

    A detector learns, round by round, what the detectors of the home learned, and is scored on every generator version
    that is there. A generator enters, attacks in each round whom the generators of the home attacked in it, if it can,
    and is scored by every detector version that is there. Nobody else learns anything: those who are there do not
    answer it, which is why its place is what it would be, and not what it is.

    Args:
        newcomer: Who, by its name in the configuration.
        kind: `detector` or `generator`.
    """

    def __init__(
        self, *, newcomer: Annotated[str, Field(min_length=1)], kind: Literal["detector", "generator"] = "detector"
    ) -> None:
        self.newcomer, self.kind = newcomer, kind

    def play(self, bench: Bench) -> None:
        played = bench.played
        there = (*played.config.generators, *played.config.detectors)
        if self.newcomer in {player.name for player in there}:
            raise ConfigError(f"'{self.newcomer}' plays in this home already; a newcomer needs a name of its own: --as")
        check_same_game(bench.config, played.config, newcomer=self.newcomer)
        archive = Archive(played=played)
        if not archive.versions("generator" if self.kind == "detector" else "detector"):
            raise PluginError("there is nobody in this home whom a newcomer could be played against")
        passed_over: list[Row] = []
        versions: Line[Version]
        matches: Line[Match]
        if self.kind == "detector":
            versions = self._learn(bench, archive)
            matches = bench.match(archive.versions("generator"), versions)
        else:
            versions = self._attack(bench, archive, passed_over)
            matches = bench.match(versions, archive.versions("detector"))
            bench.costs(versions)
            bench.gate(versions)
        bench.finish()
        if not matches:
            why = next((one.reason for one in bench.forfeits if one.player == self.newcomer), "nobody knows why")
            raise PluginError(f"'{self.newcomer}' has no match, since it forfeited: {why}")
        place = find_place(archive.joined(bench.record(played.round)), played, newest([*versions], self.kind)[-1])
        bench.table("matches", match_rows(matches))
        if place.standings:
            bench.table("standings", standing_rows(place))
        if passed_over:
            bench.table("passed over", passed_over)
        bench.table("place", [place_row(place, state=archive.state)])
        own = [match for match in matches if _is(match, place.newcomer)]
        bench.log({f"auc/{_opponent(match, self.kind)}": match.figures.auc for match in own})
        if place.standings:
            bench.figure("place", draw_place(place))

    def _learn(self, bench: Bench, archive: Archive) -> Line[Version]:
        """A detector's versions, one for each round of the home."""
        trained = bench.defend([self.newcomer], archive.history(0))
        versions = trained
        for round_ in archive.rounds[1:]:
            trained = bench.defend([self.newcomer], archive.history(round_), after=trained)
            versions += trained
        return versions

    def _attack(self, bench: Bench, archive: Archive, passed_over: list[Row]) -> Line[Version]:
        """A generator's versions: as it came, and one for each round in which there was somebody to attack."""
        newest_one = bench.enter(self.newcomer)
        versions = newest_one
        for version in newest_one:
            if not bench.can(version, "attackable"):
                why = "it does not learn with an extra loss"
                passed_over.append({"player": version.label, "round": None, "did not attack": why})
                return versions
        for round_ in archive.rounds[1:]:
            targets = archive.targets(round_)
            if not targets:
                why = "nobody of this home attacked in that round, so that there is no champion on record"
                passed_over.append({"player": self.newcomer, "round": round_, "did not attack": why})
                continue
            attacked = bench.attack(newest_one, targets=targets)
            bench.audit(attacked)
            newest_one = bench.latest(newest_one, attacked)
            versions += attacked
        return versions


def _is(match: Match, version: Version) -> bool:
    return version.label in (match.generator.label, match.detector.label)


def _opponent(match: Match, kind: str) -> str:
    other = match.generator if kind == "detector" else match.detector
    return other.label.replace("@", ":")


__all__ = ["Newcomer"]
