"""Tortures Fakeoff: bad inputs at every border, and games that are killed at random instants and played on.

    python scripts/torture.py                                  # 100 kills and 500 bad inputs: under an hour
    python scripts/torture.py --kills 3 --inputs 40            # a sample
    python scripts/torture.py --only-input 17 --keep           # one of them again, and its files stay

It says: tried, survived, lost, tracebacks, seconds. What falls short is printed with the command that does it again,
and the exit code is 1. An interrupted one goes on where it was, with ``--work`` given.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from pretraining import processor
from torture_forks import MOST_SECONDS, fakeoff, forked
from torture_inputs import Case, Good, draw_case
from torture_kills import fingerprint, strike

ROOT = Path(__file__).parents[1]
TOYS = ROOT / "tests" / "toy_players.py"
EXIT_CODES = {0, 1, 2, 130, 143}

CONFIG = """
rounds = 1
generators = [{ plugin = "toy_generator" }]
detectors = [{ plugin = "toy_detector" }, { plugin = "toy_brightness" }]
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 8, batch = 4 }
defend = { steps = 20, batch = 8, check_every = 10 }
score = { resamples = 100, through = [], least_auc = 0.0 }
search.when = "never"
parts.parser = ""
audit.on_leak = "report"
compute = { attack_threads = 1, precision = "float32" }
"""


@dataclass(frozen=True)
class Trial:
    """How one thing that was tried ended.

    Attributes:
        kind: ``input`` or ``kill``.
        number: Which.
        what: What was done.
        fault: What fell short; empty where nothing did.
        seconds: It took.
    """

    kind: str
    number: int
    what: str
    fault: str
    seconds: float


# ---- what is whole


def prepare(work: Path) -> Good:
    """Plays the game that all is compared with, and lays out what bad inputs are made from."""
    import numpy as np
    from PIL import Image
    from safetensors.numpy import save_file

    good = Good(
        home=work / "home",
        images=work / "images",
        config=work / "game.toml",
        plugin=work / "toys.py",
        weights=work / "weights.safetensors",
        archive=work / "home.fakeoff",
        scores=work / "scores.csv",
    )
    if (work / "ready").is_file():
        return good
    good.config.write_text(CONFIG)
    shutil.copy(TOYS, good.plugin)
    rng = np.random.default_rng(0)
    for person in range(6):
        folder = good.images / f"person{person}"
        folder.mkdir(parents=True, exist_ok=True)
        for place in range(4):
            Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(folder / f"{place}.png")
    save_file(
        {"net.weight": rng.normal(size=(4, 3)).astype(np.float32), "net.bias": np.zeros(4, np.float32)}, good.weights
    )
    began, lasts = time.monotonic(), 0.0
    for words in (
        ("run", good.config, "--home", good.home, "--plugin", good.plugin, "--serial", "-q"),
        ("pack", good.home, good.archive),
        ("export", "--home", good.home, work / "exported"),
    ):
        done = subprocess.run(fakeoff(*words), cwd=work, capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(f"the game to compare with was not played: {done.stderr.strip()}")
        lasts = lasts or time.monotonic() - began  # the game's own: a kill after its end would hit nothing
    pictures = sorted((work / "exported").rglob("*.png"))
    rows = [f"{path.relative_to(work / 'exported')},{index / len(pictures):.4f}" for index, path in enumerate(pictures)]
    good.scores.write_text("\n".join(["path,score", *rows]) + "\n")
    (work / "ready").write_text(f"{lasts:.1f}")
    return good


# ---- bad inputs


def try_input(good: Good, number: int, seed: int, folder: Path) -> Trial:
    """Gives one bad input to a process that is forked from this one, which has imported everything."""
    folder.mkdir()
    case = draw_case(good, folder, random.Random(f"{seed}:{number}"))
    started = time.monotonic()
    code, said = forked(case.words, folder)
    seconds = time.monotonic() - started
    what = f"{case.border}: {case.bad}; fakeoff {' '.join(case.words)[:200]}"
    return Trial("input", number, what, _fault(case, code, said), round(seconds, 2))


def _fault(case: Case, code: int | None, said: str) -> str:
    if code is None:
        return f"it hung for {MOST_SECONDS:g} s"
    if "Traceback (most recent call last)" in said:
        return f"a traceback: {said.strip().splitlines()[-1][:200]}"
    if code not in EXIT_CODES:
        return f"exit code {code}: {said.strip()[-200:]!r}"
    lines = [line for line in said.splitlines() if line.startswith("fakeoff: ")]
    if code == 2 and len(lines) != 1 and "Error: " not in said:
        return f"exit code 2, and not one line that says why: {said.strip()[-200:]!r}"
    if any(not (letter.isprintable() or letter in "\n\t") for letter in said):
        return "characters that command a terminal"
    return ""


# ---- kills


def try_kill(good: Good, number: int, seed: int, folder: Path, *, whole: Mapping[str, str], lasts: float) -> Trial:
    """Hits a game at a random instant, plays it on, and compares it with the undisturbed one."""
    started = time.monotonic()
    folder.mkdir()
    words = ("run", str(good.config), "--plugin", str(good.plugin), "-q")
    what, fault = strike(number, words, seed=seed, folder=folder, whole=whole, lasts=lasts)
    return Trial("kill", number, what, fault, round(time.monotonic() - started, 1))


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--inputs", default=500, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only-input", type=int, help="That one alone.")
@click.option("--only-kill", type=int, help="That one alone.")
@click.option("--at-once", default=2, show_default=True, help="So many are tried side by side.")
@click.option("--keep", is_flag=True, help="Leave the files of what is tried.")
@click.option(
    "--work", type=click.Path(path_type=Path, file_okay=False), help="Where; with it an interrupted one goes on."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file for the result, as JSON.")
def main(
    kills: int,
    inputs: int,
    seed: int,
    only_input: int | None,
    only_kill: int | None,
    at_once: int,
    keep: bool,
    work: Path | None,
    out: Path | None,
) -> None:
    place = (work or Path(tempfile.mkdtemp(prefix="fakeoff-torture-"))).absolute()
    place.mkdir(parents=True, exist_ok=True)
    good = prepare(place)
    import fakeoff.leaderboard.game  # what commands need is imported once, and forked with
    import fakeoff.leaderboard.play  # noqa: F401

    # Whoever started this in the background has interrupts ignored, and its children would be deaf to them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = place / "trials.jsonl"
    done = {} if only_input is not None or only_kill is not None else _done(found)
    wanted = [
        ("input", n) for n in ([only_input] if only_input is not None else range(inputs if only_kill is None else 0))
    ]
    wanted += [
        ("kill", n) for n in ([only_kill] if only_kill is not None else range(kills if only_input is None else 0))
    ]
    whole, lasts = fingerprint(good.home), float((place / "ready").read_text())

    def try_all(trials: Iterable[tuple[str, int]]) -> None:
        for kind, number in trials:
            folder = place / f"{kind}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            if kind == "input":
                trial = try_input(good, number, seed, folder)
            else:
                trial = try_kill(good, number, seed, folder, whole=whole, lasts=lasts)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
            with found.open("a") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
            _tell(trial, seed)

    left = [one for one in wanted if one not in done]
    _side_by_side([left[lane::at_once] for lane in range(at_once)], try_all)
    done = _done(found)
    summary = _summary([done[one] for one in wanted])
    click.echo(json.dumps(summary, indent=1))
    if out is not None:
        out.write_text(
            json.dumps(
                {
                    "command": f"python scripts/torture.py --kills {kills} --inputs {inputs} --seed {seed}",
                    "processor": processor(),
                    **summary,
                },
                indent=1,
            )
            + "\n"
        )
    if work is None and not keep:
        shutil.rmtree(place, ignore_errors=True)
    sys.exit(1 if any(done[one].fault for one in wanted) else 0)


def _side_by_side(
    lanes: Sequence[Sequence[tuple[str, int]]], try_all: Callable[[Sequence[tuple[str, int]]], None]
) -> None:
    """Does each lane in a process of its own, forked from this one, which has imported everything."""
    children = []
    for lane in filter(None, lanes):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                try_all(lane)
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    if any(ends):
        raise click.ClickException("a lane ended early; see above")


def _tell(trial: Trial, seed: int) -> None:
    kind, number = trial.kind, trial.number
    if trial.fault:
        click.echo(
            f"{kind} {number}: {trial.fault}\n    {trial.what}\n"
            f"    again: python scripts/torture.py --seed {seed} --only-{kind} {number} --keep"
        )
    elif sys.stdout.isatty() or kind == "kill" or number % 25 == 0:
        click.echo(f"{kind} {number}: {trial.what[:150]} ({trial.seconds:g} s)")


def _done(path: Path) -> dict[tuple[str, int], Trial]:
    if not path.is_file():
        return {}
    trials = [Trial(**json.loads(line)) for line in path.read_text().splitlines()]
    return {(trial.kind, trial.number): trial for trial in trials}


def _summary(trials: Sequence[Trial]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("input", "kill"):
        mine = [trial for trial in trials if trial.kind == kind]
        kinds = Counter(
            trial.what.partition(":")[0] if kind == "input" else trial.what.partition(" after")[0] for trial in mine
        )
        found[f"{kind}s"] = {
            "tried": len(mine),
            "survived": sum(not trial.fault and "too late" not in trial.what for trial in mine),
            "too_late": sum("too late" in trial.what for trial in mine),
            "tracebacks": sum("traceback" in trial.fault for trial in mine),
            "hung": sum("hung" in trial.fault for trial in mine),
            "lost": sum("bytes" in trial.fault or "play on" in trial.fault for trial in mine),
            "seconds": round(sum(trial.seconds for trial in mine)),
            "longest_seconds": max((trial.seconds for trial in mine), default=0.0),
            "of": dict(sorted(kinds.items())),
            "faults": {str(trial.number): f"{trial.fault} | {trial.what}" for trial in mine if trial.fault},
        }
    return found


if __name__ == "__main__":
    main()
