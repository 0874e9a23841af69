"""Tortures Fakeoff: bad inputs at every border, and games that are killed at random instants and played on.

    python scripts/torture.py                                  # 100 kills and 500 bad inputs: under an hour
    python scripts/torture.py --kills 3 --inputs 40            # a sample
    python scripts/torture.py --only-input 17 --keep           # one of them again, and its files stay

It says: tried, survived, lost, tracebacks, seconds. What falls short is printed with the command that does it again,
and the exit code is 1. An interrupted one goes on where it was, with ``--work`` given.
"""

from __future__ import annotations

import contextlib
import hashlib
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from pretraining import processor
from torture_inputs import Case, Good, draw_case

ROOT = Path(__file__).parents[1]
TOYS = ROOT / "tests" / "toy_players.py"
MOST_SECONDS = 60.0
EXIT_CODES = {0, 1, 2, 130, 143}

CONFIG = """
rounds = 2
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


def fakeoff(*words: object) -> list[str]:
    """The command line, as a process."""
    return [sys.executable, "-c", "from fakeoff.cli import main; main()", *map(str, words)]


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
    code, said = _forked(case, folder)
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


def _forked(case: Case, folder: Path) -> tuple[int | None, str]:
    said = folder / "said.txt"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            with said.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.setsid()
            os.chdir(folder)
            code = _run_command(case.words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + MOST_SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, said.read_text(errors="replace")


def _run_command(words: Sequence[str]) -> int:
    from fakeoff.cli import main

    try:
        main(list(words), prog_name="fakeoff")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


# ---- kills


def fingerprint(home: Path) -> str:
    """Of everything that a game leaves and that must be the same: its scoreboard, and all results in its store."""
    found = hashlib.sha256((home / "scoreboard.json").read_bytes())
    for path in sorted((home / "store").rglob("*")):
        # How long a job took stands in 'cost.json', and differs.
        if path.is_file() and path.suffix in (".npz", ".safetensors", ".npy"):
            found.update(path.relative_to(home).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _send(number: signal.Signals) -> Callable[[subprocess.Popen[bytes], random.Random], None]:
    def send(driver: subprocess.Popen[bytes], rng: random.Random) -> None:
        driver.send_signal(number)

    return send


def _stop_a_while(driver: subprocess.Popen[bytes], rng: random.Random) -> None:
    driver.send_signal(signal.SIGSTOP)
    time.sleep(rng.uniform(1, 5))
    driver.send_signal(signal.SIGCONT)


def _kill_child(name: str) -> Callable[[subprocess.Popen[bytes], random.Random], None]:
    def kill(driver: subprocess.Popen[bytes], rng: random.Random) -> None:
        found = [pid for pid, command in _below(driver.pid) if name in command]
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(found), signal.SIGKILL)

    return kill


def _below(root: int) -> Iterator[tuple[int, str]]:
    """The processes that a process has started, and those that they have."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    waiting = list(parents.get(root, ()))
    while waiting:
        pid = waiting.pop()
        waiting += parents.get(pid, ())
        with contextlib.suppress(OSError):
            yield pid, (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


_KILLS: dict[str, tuple[Callable[[subprocess.Popen[bytes], random.Random], None], str]] = {
    "driver killed": (_send(signal.SIGKILL), "--serial"),
    "driver asked to end": (_send(signal.SIGTERM), "--serial"),
    "interrupted": (_send(signal.SIGINT), "--serial"),
    "stopped for a while": (_stop_a_while, "--serial"),
    "driver killed, on Ray": (_send(signal.SIGKILL), "--workers=2"),
    "interrupted, on Ray": (_send(signal.SIGINT), "--workers=2"),
    "worker killed": (_kill_child("ray::"), "--workers=2"),
    "raylet killed": (_kill_child("raylet/raylet"), "--workers=2"),
}
_POLITE = {"driver asked to end", "interrupted", "interrupted, on Ray"}


def try_kill(good: Good, number: int, seed: int, folder: Path, *, whole: str, lasts: float) -> Trial:
    """Hits a game at a random instant, plays it on, and compares it with the undisturbed one."""
    rng = random.Random(f"{seed}:kill:{number}")
    name = list(_KILLS)[number % len(_KILLS)]
    hit, where = _KILLS[name]
    home, started = folder / "home", time.monotonic()
    folder.mkdir()
    words = fakeoff("run", good.config, "--home", home, "--plugin", good.plugin, where, "-q")
    after = rng.uniform(0.5, lasts)
    said = folder / "said.txt"
    with said.open("wb") as file:
        driver = subprocess.Popen(
            words, cwd=folder, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=after)
        if driver.poll() is None:
            hit(driver, rng)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=4 * MOST_SECONDS)
    faults = []
    if driver.poll() is None:
        faults.append(f"it hung after it was hit ({name})")
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    text = said.read_text(errors="replace")
    if "Traceback (most recent call last)" in text or "*** SIG" in text:
        faults.append(f"a traceback: {text.strip().splitlines()[-1][:150]}")
    if name in _POLITE and driver.returncode not in (0, 130, 143):
        faults.append(f"exit code {driver.returncode} where it was asked to end")
    begun = time.monotonic()
    words = fakeoff("run", "--home", home, good.config, "--plugin", good.plugin, "--serial", "-q")
    patience = 10 * MOST_SECONDS
    again = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=patience)
    if again.returncode or "Traceback" in again.stderr:
        faults.append(f"it does not play on: exit code {again.returncode}, {again.stderr.strip()[-200:]!r}")
    elif fingerprint(home) != whole:
        faults.append("other bytes than undisturbed")
    seconds = time.monotonic() - started
    what = f"{name} after {after:.1f} s, played on in {time.monotonic() - begun:.1f} s"
    return Trial("kill", number, what, "; ".join(faults), round(seconds, 1))


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--inputs", default=500, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only-input", type=int, help="That one alone.")
@click.option("--only-kill", type=int, help="That one alone.")
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
    keep: bool,
    work: Path | None,
    out: Path | None,
) -> None:
    place = (work or Path(tempfile.mkdtemp(prefix="fakeoff-torture-"))).absolute()
    place.mkdir(parents=True, exist_ok=True)
    good = prepare(place)
    import fakeoff.leaderboard.game  # what commands need is imported once, and forked with
    import fakeoff.leaderboard.play  # noqa: F401

    done = _done(place / "trials.jsonl")
    wanted = [
        ("input", n) for n in ([only_input] if only_input is not None else range(inputs if only_kill is None else 0))
    ]
    wanted += [
        ("kill", n) for n in ([only_kill] if only_kill is not None else range(kills if only_input is None else 0))
    ]
    whole, lasts = fingerprint(good.home), float((place / "ready").read_text())
    for kind, number in wanted:
        if (kind, number) in done and only_input is None and only_kill is None:
            continue
        folder = place / f"{kind}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        if kind == "input":
            trial = try_input(good, number, seed, folder)
        else:
            trial = try_kill(good, number, seed, folder, whole=whole, lasts=lasts)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        done[kind, number] = trial
        with (place / "trials.jsonl").open("a") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        if trial.fault:
            click.echo(
                f"{kind} {number}: {trial.fault}\n    {trial.what}\n"
                f"    again: python scripts/torture.py --seed {seed} --only-{kind} {number} --keep"
            )
        elif sys.stdout.isatty() or number % 25 == 0:
            click.echo(f"{kind} {number}: {trial.what[:150]} ({trial.seconds:g} s)")
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
    sys.exit(1 if any(trial.fault for trial in done.values()) else 0)


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
            "survived": sum(not trial.fault for trial in mine),
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
