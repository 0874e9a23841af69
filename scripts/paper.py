"""Plays the paper's experiments, keeps what they found, and writes ``docs/paper.md``: claim by claim, theirs and ours.

    python scripts/paper.py                                    # writes the page from what is stored
    python scripts/paper.py --play --homes scratch/paper       # plays all first, or what is missing (hours)
    python scripts/paper.py --play --homes scratch/paper strength arms-race
    python scripts/paper.py --redraw                           # with the picture that needs no home

Each experiment is a configuration in ``examples/``, played in a home of its own by ``fakeoff run --serial``; an
interrupted one goes on where it was. Of its result the tables are kept in ``docs/results/NAME.json``, with the
processor, and pictures of it in ``docs/pictures/``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from paper_claims import CLAIMS, Claim
from paper_measures import Finding, Results, Verdict
from pretraining import processor

from fakeoff.arena.parsers import PARTS
from fakeoff.detectors import ReceptiveField
from fakeoff.protocols.looking.figures import LookFigures
from fakeoff.protocols.manipulations.figures import draw_parts

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "paper.md"
RESULTS, PICTURES = ROOT / "docs" / "results", ROOT / "docs" / "pictures"

_BEGIN = "<!-- from here to the end mark: python scripts/paper.py -->"
_END = "<!-- end of the claims -->"
_KEPT_OF_SCOREBOARDS = ("config", "attacks", "cells", "parts", "part_shifts", "forfeits")
_ORDER: tuple[Verdict, ...] = ("different", "not shown", "same", "beyond the paper", "not tested")
_HEADINGS: Mapping[Verdict, str] = {
    "different": "Where ours disagrees",
    "not shown": "Where ours cannot tell",
    "same": "Where ours agrees",
    "beyond the paper": "What the paper does not report",
    "not tested": "What was not tested here",
}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is played for the page.

    Attributes:
        config: The configuration's file in ``examples/``; the embedded tournament where it is empty.
        played: The name of what it leaves in a home: an experiment's; of a tournament nothing.
        pictures: Which of its pictures are kept, and under which names.
        trained: A script that trains whom it needs beyond those that ship, with its options.
        shares: The experiment in whose home it is played, since both train the same detectors.
    """

    config: str
    played: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)
    trained: tuple[str, ...] = ()
    shares: str = ""

    @property
    def command(self) -> str:
        """As somebody would type it."""
        return f"fakeoff run examples/{self.config}" if self.config else "fakeoff run"


_SMALL_PGANS = ("pretrain_small_pgans.py", "--out", "scratch/small-pgans")

EXPERIMENTS: Mapping[str, Experiment] = {
    "tournament": Experiment(config=""),
    "resolutions": Experiment(
        config="resolutions.toml",
        played="resolutions",
        pictures={"average precision": "resolutions"},
        trained=_SMALL_PGANS,
    ),
    "initialisations": Experiment(
        config="initialisations.toml",
        played="initialisations",
        pictures={"average precision": "initialisations"},
        trained=_SMALL_PGANS,
        shares="resolutions",
    ),
    "unseen-generators": Experiment(config="unseen_generators.toml", played="generalize"),
    "colour": Experiment(config="colour.toml", played="colour", pictures={"average precision": "colour"}),
    "reproject": Experiment(
        config="reproject.toml",
        played="reproject",
        pictures={"reprojections of pgan": "reproject", "average precision": "reproject-average-precision"},
    ),
    "exaggerate": Experiment(
        config="exaggerate.toml",
        played="exaggerate",
        pictures={"path of pgan by resnet18_layer1": "exaggerate", "scores along the path": "exaggerate-scores"},
    ),
    "manipulations": Experiment(
        config="manipulations.toml",
        played="manipulations",
        pictures={"average precision": "manipulations", "parts of resnet18_layer1": "manipulations-parts"},
    ),
    "strength": Experiment(
        config="strength.toml",
        played="strength",
        pictures={
            "strength": "strength",
            "strength in pixels": "strength-pixels",
            "image cost": "strength-cost",
            "receptive field and half-life": "strength-half-life",
            "transfer": "strength-transfer",
            "through": "strength-through",
        },
    ),
    "colour-attacks": Experiment(config="colour_attacks.toml"),
    "colour-strength": Experiment(
        config="colour_strength.toml",
        played="colour_strength",
        pictures={"strength": "colour-strength"},
        shares="colour-attacks",
    ),
    "arms-race": Experiment(
        config="arms_race.toml",
        played="arms_race",
        pictures={"rounds": "arms-race", "forgetting": "arms-race-forgetting"},
    ),
    "ensemble-race": Experiment(
        config="ensemble_race.toml",
        played="ensemble_race",
        pictures={"rounds": "ensemble-race"},
    ),
}


def play(name: str, home: Path) -> None:
    """Plays an experiment, or what is missing of it."""
    experiment = EXPERIMENTS[name]
    if experiment.trained:
        script, *options = experiment.trained
        if subprocess.run([sys.executable, f"scripts/{script}", *options], cwd=ROOT, check=False).returncode:
            raise click.ClickException(f"'{script}' ended early; what it saved is kept")
    config = [f"examples/{experiment.config}"] if experiment.config else []
    fakeoff = [sys.executable, "-c", "from fakeoff.cli import main; main()"]
    words = ["run", *config, "--serial", "--home", str(home.absolute())]
    done = subprocess.run([*fakeoff, *words], cwd=ROOT, check=False)
    if done.returncode not in (0, 1):  # 1: somebody forfeited, which the result says
        raise click.ClickException(f"'{experiment.command}' ended with {done.returncode}; what it computed is kept")


def keep(name: str, home: Path) -> None:
    """Keeps what was found in a home."""
    experiment = EXPERIMENTS[name]
    if experiment.played:
        result = json.loads((home / "experiments" / f"{experiment.played}.json").read_text())
        kept = {key: value for key, value in result.items() if key not in ("points", "code")}
        for picture, title in experiment.pictures.items():
            source = home / "experiments" / experiment.played / f"{picture}.png"
            shutil.copyfile(source, PICTURES / f"{title}.png")
    else:
        scoreboard = json.loads((home / "scoreboard.json").read_text())
        kept = {key: scoreboard[key] for key in _KEPT_OF_SCOREBOARDS}
    kept = {"command": experiment.command, "processor": processor(), **kept}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


def redraw_parts(result: Mapping[str, Any], detector: str) -> None:
    """Draws anew, from the stored table, on which parts of the face manipulations give themselves away (Fig. 7)."""
    looks: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in result["tables"]["parts"]:
        if row["detector"] == detector:
            looks.setdefault(row["trained on"], {}).setdefault(row["tested on"], []).append(row)
    figures = {
        group: {
            name: LookFigures(
                n=rows[0]["fakes"],
                ties=0,
                parts=dict.fromkeys(PARTS, 0.0) | {row["part"]: row["share"] for row in rows},
                parts_ci=dict.fromkeys(PARTS, (0.0, 0.0))
                | {row["part"]: (row["share from"], row["share to"]) for row in rows},
                random_parts=dict.fromkeys(PARTS, 0.0) | {row["part"]: row["share of random patches"] for row in rows},
                averaged_over=0,
                people=rows[0]["people"],
                receptive_field=ReceptiveField(size=1, stride=1, offset=0),
                has_parts=True,
            )
            for name, rows in of_group.items()
        }
        for group, of_group in looks.items()
    }
    draw_parts(detector, figures, confidence=0.95).savefig(PICTURES / "manipulations-parts.png")


def read_results() -> Results:
    """What is stored, by name; what was not played is not in it."""
    paths = {name: RESULTS / f"{name}.json" for name in EXPERIMENTS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def write(results: Results) -> str:
    """All claims in Markdown: disagreements first."""
    found = [(claim, claim.judge(results)) for claim in CLAIMS]
    counts = {verdict: sum(finding.verdict == verdict for _, finding in found) for verdict in _ORDER}
    parts = [_BEGIN, _summary(counts)]
    for verdict in _ORDER:
        if of_verdict := [pair for pair in found if pair[1].verdict == verdict]:
            parts += [f"## {_HEADINGS[verdict]}", _table(of_verdict, results)]
    return "\n\n".join([*parts, _END])


def put(page: str, drawn: str) -> str:
    """The page with other claims between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + drawn + after


def _summary(counts: Mapping[Verdict, int]) -> str:
    claims = sum(count for verdict, count in counts.items() if verdict != "beyond the paper")
    return (
        f"Of {claims} claims of the paper, ours agrees with {counts['same']}, disagrees with {counts['different']}, "
        f"cannot tell of {counts['not shown']}, and {counts['not tested']} "
        f"{'was' if counts['not tested'] == 1 else 'were'} not tested."
    )


def _table(found: Sequence[tuple[Claim, Finding]], results: Results) -> str:
    lines = ["| claim | the paper's figure | ours, 95% interval | |", "| --- | --- | --- | --- |"]
    for claim, finding in found:
        source = _source(claim, results)
        lines.append(f"| {claim.claim} ({claim.where}) | {claim.paper} | {finding.figure} | {finding.why} {source} |")
    return "\n".join(lines)


def _source(claim: Claim, results: Results) -> str:
    if claim.result not in results:
        return ""
    told: Any = results[claim.result]
    return f"`{told['command']}`, [stored](results/{claim.result}.json), {told['processor']}"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(EXPERIMENTS)))
@click.option("--play", "is_played", is_flag=True, help="Play the experiments first, or what is missing of them.")
@click.option("--redraw", "is_redrawn", is_flag=True, help="Draw anew what the stored tables suffice for, too.")
@click.option("--homes", type=click.Path(file_okay=False, path_type=Path), help="Where they were or will be played.")
def main(names: Sequence[str], is_played: bool, is_redrawn: bool, homes: Path | None) -> None:
    if is_played and homes is None:
        raise click.UsageError("--play needs a folder for the homes: --homes scratch/paper")
    for name in (names or EXPERIMENTS) if homes is not None else ():
        home = homes / (EXPERIMENTS[name].shares or name)
        if is_played:
            play(name, home)
        keep(name, home)
        click.echo(f"{name}: kept in docs/results/{name}.json")
    results = read_results()
    if is_redrawn:
        redraw_parts(results["manipulations"], "resnet18_layer1")
    PAGE.write_text(put(PAGE.read_text(), write(results)))


if __name__ == "__main__":
    main()
