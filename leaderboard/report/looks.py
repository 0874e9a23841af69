"""What patch detectors see: heatmaps over faces, and the parts of the face that give fakes away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from fakeoff.arena.errors import StoreError
from fakeoff.arena.images import Masks
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.plots.heatmap_plots import match_heatmaps
from fakeoff.leaderboard.plots.part_plots import shift_histograms
from fakeoff.leaderboard.report.facts.shifts import Move
from fakeoff.leaderboard.report.pictures import Album, Picture
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.words import version
from fakeoff.protocols.measures import Look
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.rules.pools import beside, what_is_known
from fakeoff.protocols.score.patches import Truth

MOST_HEATMAPS = 12
"""As many as anybody looks at; each costs the page some hundred kilobytes."""


def draw_moves(scoreboard: Scoreboard, moves: Sequence[Move], album: Album) -> list[Picture | None]:
    """A picture for each move of the fight over the face; None where there is no room."""
    return [
        album.draw(
            partial(shift_histograms, scoreboard, [move.row]),
            alt=f"Bars: {move.title}. {move.sentence} The table below has every share.",
        )
        for move in moves
    ]


def draw_heatmaps(record: TournamentRecord, scoreboard: Scoreboard, store: Store, album: Album) -> list[Picture]:
    """Heatmaps of the newest patch detectors at the newest fakes, the best detector first, then of frozen targets."""
    pictures = []
    looks = _in_order(record, scoreboard)
    for look in looks[:MOST_HEATMAPS]:
        title = f"{look.detector.label} looking at {look.generator.label}"
        try:
            picture = album.draw(
                partial(_draw, title, look, record, store),
                alt=f"Heatmaps: {title}. Rows of the fakes and reals that it is surest of, and least sure of, each "
                "with its most predictive patch framed, and the mean heatmaps below.",
                caption=_caption(look),
            )
        except (StoreError, KeyError):
            album.left_out.append(f"{title} (not in the store)")
            continue
        if picture is not None:
            pictures.append(picture)
    album.left_out += [f"{one.detector.label} looking at {one.generator.label}" for one in looks[MOST_HEATMAPS:]]
    return pictures


def _in_order(record: TournamentRecord, scoreboard: Scoreboard) -> list[Look]:
    """Newest against newest by the detectors' places, then the frozen targets of attacks."""
    places = {row.player: place for place, row in enumerate(scoreboard.detectors)}
    newest = scoreboard.newest

    def is_newest(look: Look) -> bool:
        maker, judge = look.generator, look.detector
        return (
            newest.get(("generator", maker.player)) == maker.round
            and newest.get(("detector", judge.player)) == judge.round
        )

    def is_target(look: Look) -> bool:
        return look.detector.label in look.generator.targets

    def order(look: Look) -> tuple[bool, int, str, str, int]:
        judge, maker = look.detector, look.generator
        return (not is_newest(look), places.get(judge.player, len(places)), judge.label, maker.player, maker.round)

    return sorted((look for look in record.looks if is_newest(look) or is_target(look)), key=order)


def _caption(look: Look) -> str:
    maker, judge = look.generator, look.detector
    if judge.label in maker.targets:
        return f"{judge.label}, frozen, on the fakes of {maker.label}, which was finetuned to fool it"
    return f"{judge.label} on the fakes of {version(maker.player, maker.round)}"


def _draw(title: str, look: Look, record: TournamentRecord, store: Store) -> Figure:
    pools: dict[Truth, str] = {
        "real": record.real_pools[look.generator.resolution]["test"],
        "fake": look.generator.pools["test"],
    }
    return match_heatmaps(
        title,
        {truth: store.read(key) for truth, key in look.keys.items()},
        {truth: store.read(key).arrays["images"] for truth, key in pools.items()},
        masks=_masks(pools["fake"], store),
    )


def _masks(pool: str, store: Store) -> Masks | None:
    if "mask" not in what_is_known(pool, store):
        return None
    masks: Masks = store.read(beside(pool, "mask")).arrays["images"]
    return masks


__all__ = ["MOST_HEATMAPS", "draw_heatmaps", "draw_moves"]
