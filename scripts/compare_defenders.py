"""What the defender's moves are worth: three arms races of one generator against one network, defended in three ways.

    python scripts/compare_defenders.py --home /tmp/defenders --seeds 3

prints the table of docs/detectors.md and writes docs/results/defenders.json. In each race the detector learns, is
frozen and attacked, learns of what came of that, and is attacked again. What was played is kept in the home.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
from pretraining import processor

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols.config import TournamentConfig, parse_config
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.log import Unlogged

Row: TypeAlias = dict[str, Any]

_OUT = Path(__file__).parents[1] / "docs" / "results" / "defenders.json"
_RACES: dict[str, dict[str, Any]] = {
    "plain": {},
    "adversarial": {"adversarial": 0.5, "adversarial_every": 10, "adversarial_steps": 5},
    "rounds": {},
}
_ROUNDS = 2
_CONFIG = {
    "generators": [{"plugin": "pgan"}],
    "detectors": [
        {"plugin": "resnet18_layer1", "name": "plain"},
        {"plugin": "resnet18_layer1", "name": "adversarial"},
        {"plugin": "patch_rounds", "name": "rounds", "parameters": {"member": "resnet18_layer1"}},
    ],
    "pools": {"train_fakes": 280, "val_fakes": 80, "test_fakes": 160},
    "attack": {"steps": 40, "look_every": 10},
    # All patches of val: a training that may end at the first look would hardly meet an adversary.
    "defend": {"steps": 120, "check_every": 20, "perfect": "patches"},
    "score": {"resamples": 500, "scored_again": 0},
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
    "compute": {"device": "cpu", "precision": "float32", "attack_threads": 1, "defend_threads": 1},
}


class _Lines:
    """Says which jobs are done."""

    def begun(self, job: Job) -> None:
        pass

    def reused(self, job: Job) -> None:
        pass

    def damaged(self, job: Job, reason: str) -> None:
        pass

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        what = f"round {outcome.job.round}: {outcome.job.label}"
        click.echo(f"{time.strftime('%H:%M:%S')} {what}: {outcome.failure or 'done'}, {outcome.computed:.1f} s of CPU")

    def round_finished(self, record: Any) -> None:
        pass


def play(config: TournamentConfig, store: Store) -> list[Row]:
    """The races of one seed."""
    bench = Bench(
        config,
        spec=PlayerSpec(name="defenders", plugin="defenders", fingerprint={"version": 1}),
        source=open_source("orl"),
        store=store,
        executor=SerialExecutor(),
        observer=_Lines(),
        log=Unlogged(),
    )
    entered = bench.enter(audit=False)
    rows = []
    for race, settings in _RACES.items():
        newest, history, judges = entered, entered, None
        for round_ in range(_ROUNDS):
            judges = bench.defend([race], history, after=judges, **settings)
            attacked = bench.attack(newest, targets=judges)
            (before,), (after,) = bench.match(newest, judges), bench.match(attacked, judges)
            attack, defence = (bench.store.read(line[0].key).record for line in (attacked, judges))
            sessions = defence.get("adversarial", {}).get("sessions", [])
            rows.append(
                {
                    "seed": config.seed,
                    "race": race,
                    "round": round_,
                    "defence steps": defence["steps"],
                    "passed of each session": [round(session["passes"], 3) for session in sessions],
                    "attack steps": attack["steps"],
                    "passed in the attack's looks": attack["passed"],
                    **{
                        f"{metric} {when}": [round(match.figures.value(metric), 4), *_interval(match, metric)]
                        for when, match in (("before", before), ("after", after))
                        for metric in ("accuracy_val_threshold", "auc", "recall_fake")
                    },
                }
            )
            newest, history = attacked, history + attacked
    if bench.forfeits:
        raise SystemExit(f"somebody forfeited: {bench.forfeits}")
    bench.finish()
    return rows


def _interval(match: Any, metric: str) -> list[float]:
    return [round(end, 4) for end in match.figures.interval(metric)]


def table(rows: list[Row]) -> str:
    """In Markdown: of one seed with 95% intervals, of several the means with their range."""
    shares = ("accuracy_val_threshold before", "accuracy_val_threshold after", "auc after")
    head = ["race", "round", "accuracy before the attack", "after it", "AUC after it", "fakes found before", "after it"]
    lines = [head, ["---"] * len(head)]
    for race in _RACES:
        for round_ in range(_ROUNDS):
            mine = [row for row in rows if (row["race"], row["round"]) == (race, round_)]
            found = [f"{np.mean([row[f'recall_fake {when}'][0] for row in mine]):.0%}" for when in ("before", "after")]
            lines.append([race, str(round_), *(_told([row[key] for row in mine]) for key in shares), *found])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _told(figures: list[list[float]]) -> str:
    """Figures are a value and its interval."""
    values = [value for value, _, _ in figures]
    low, high = figures[0][1:] if len(figures) == 1 else (min(values), max(values))
    return f"{np.mean(values):.2f} ({low:.2f} to {high:.2f})"


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="Where what was played is kept.")
@click.option("--seeds", default=3, show_default=True, help="How many.")
def main(home: Path, seeds: int) -> None:
    """Plays all races with each seed."""
    rows: list[Row] = []
    for seed in range(seeds):
        config = parse_config({**_CONFIG, "seed": seed}, where="the script")
        rows += play(config, Store(home / "store"))
        found = {"processor": processor(), "threads": 1, "config": config.model_dump(mode="json"), "races": _RACES}
        _OUT.write_text(json.dumps({**found, "seeds": seed + 1, "rows": rows}, indent=1) + "\n")
        click.echo(table(rows))


if __name__ == "__main__":
    main()
