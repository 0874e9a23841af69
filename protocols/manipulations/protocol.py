"""Detectors that learned one manipulation of faces, at those that they never saw, and where on the face they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakeoff.arena.errors import PluginError
from fakeoff.arena.parsers import PARTS
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.generalize.protocol import Generalize, together
from fakeoff.protocols.manipulations.figures import draw_parts
from fakeoff.protocols.measures import Look
from fakeoff.protocols.measures.localisation import LocalisationRow
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.manipulating import is_manipulator
from fakeoff.protocols.score.localisation import LOCATED, Located

_FIXED = "images"


class Manipulations(Generalize):
    """Trains every detector on one manipulation of faces at a time, and scores it on every one (Table 3 of the paper).

    What *generalize* shows is shown, and of patch detectors where they look: on which part of the face the most
    predictive patch of each fake lies (Fig. 7; drawn, and as a table), and how much of their heatmaps lies inside of
    the manipulations' masks. Both are of the first seed.

    Fake is positive, at 50/50 prevalence: 0.5 is chance.

    Args:
        train_on: Manipulations to train on, one after the other; by default each. `a+b` are two at once.
        seeds: Trainings of each detector on each of them.
    """

    def play(self, bench: Bench) -> None:
        others = [name for name, plugin in _plugins(bench).items() if not _manipulates(plugin)]
        if others or len(bench.generators) < 2:
            what = f"{', '.join(others)} is none" if others else f"there is {len(bench.generators)}"
            raise PluginError(
                f"manipulations are compared with each other, and {what}: enter at least two, such as "
                "--generators deepfakes,face2face,faceswap,neural_textures; fakes of FaceForensics++ enter as 'images'"
            )
        super().play(bench)

    def examine(
        self, bench: Bench, entered: Sequence[Version], judges: Mapping[tuple[str, int], Line[Version]]
    ) -> None:
        looks: dict[str, list[Look]] = {}
        located: list[Row] = []
        for (group, seed), line in judges.items():
            if seed:
                continue
            of_group = list(line)
            looks[group] = [look for look in bench.look(entered, of_group) if look.has_parts]
            located += [_row(group, row) for found in bench.localise(entered, of_group) if (row := found.row())]
        detectors = dict.fromkeys(look.detector.player for of_group in looks.values() for look in of_group)
        for detector in detectors:
            mine = {
                group: {look.generator.player: look.figures["fake"] for look in of_group if _is_of(look, detector)}
                for group, of_group in looks.items()
            }
            bench.figure(f"parts of {detector}", draw_parts(detector, mine, confidence=bench.config.score.confidence))
        if located:
            bench.table("localisation", located)
        if parts := [row for group, of_group in looks.items() for look in of_group for row in _part_rows(group, look)]:
            bench.table("parts", parts)


def _row(group: str, found: LocalisationRow) -> Row:
    """How much lies inside of the masks, beside a random patch of the same image and the heatmap of its paired real."""
    row: dict[str, Cell] = {
        "detector": found.detector,
        "trained on": group,
        "tested on": found.generator,
        "unseen": found.generator not in together(group),
        "fakes": found.n,
        "people": found.people,
        "area of the mask": found.area,
    }
    for name in LOCATED:
        of_name: Located = getattr(found, name)
        row |= {
            name: of_name.value,
            f"{name} from": of_name.ci[0],
            f"{name} to": of_name.ci[1],
            f"{name} random": of_name.random,
            f"{name} paired real": of_name.paired,
        }
    return row


def _part_rows(group: str, look: Look) -> list[Row]:
    """The histogram of Fig. 7 as rows: on which part the most predictive patch of fakes lies, beside random patches."""
    of_fakes = look.figures["fake"]
    return [
        {
            "detector": look.detector.player,
            "trained on": group,
            "tested on": look.generator.player,
            "part": part,
            "share": of_fakes.parts[part],
            "share from": of_fakes.parts_ci[part][0],
            "share to": of_fakes.parts_ci[part][1],
            "share of random patches": of_fakes.random_parts[part],
            "fakes": of_fakes.n,
            "people": of_fakes.people,
        }
        for part in PARTS
        if max(of_fakes.parts[part], of_fakes.random_parts[part]) > 0
    ]


def _plugins(bench: Bench) -> dict[str, str]:
    """What each generator is, by its name."""
    return {entry.name: entry.plugin for entry in bench.config.generators}


def _manipulates(plugin: str) -> bool:
    return plugin == _FIXED or is_manipulator(plugin)


def _is_of(look: Look, detector: str) -> bool:
    return look.detector.player == detector


__all__ = ["Manipulations"]
