"""Changes one place of a module at a time, and says whether its own tests notice (cosmic-ray).

    python scripts/mutants.py                                  # every part; hours, an interrupted one goes on
    python scripts/mutants.py --part standings --each 60       # one of them, more of it
    python scripts/mutants.py --out docs/results/mutants.json  # the figures are stored

Places are drawn with a seed, and of the changes that a place can have one. What is no code when it runs, annotations
and the arguments of decorators, is not changed. Work is done in a copy of the checkout. Survivors that nobody could
tell from the original are listed in ``scripts/mutants_equivalent.toml`` with the reason; every other one is printed.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult
from pretraining import processor

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
FEWEST_SECONDS = 60.0
TIMES_AS_LONG = 5

PARTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "rules": {
        "protocols/rules/defend.py": ["tests/protocols/test_defend.py"],
        "protocols/score/blind.py": ["tests/protocols/test_blind.py", "tests/protocols/test_decisions.py"],
    },
    "metrics": {
        "protocols/score/metrics.py": ["tests/protocols/test_metrics.py"],
        "protocols/score/intervals.py": ["tests/protocols/test_intervals.py"],
        "protocols/score/calibration.py": ["tests/protocols/test_calibration.py"],
    },
    "standings": {
        "protocols/measures/standings.py": ["tests/protocols/test_standings.py"],
        "protocols/score/ranks.py": ["tests/protocols/test_standings.py"],
    },
    "seeds": {"arena/seeds.py": ["tests/arena/test_seeds_and_jobs.py"]},
    "store": {"arena/jobs/store.py": ["tests/arena/test_store.py"]},
    "audit": {
        "protocols/forensics/comparing.py": ["tests/protocols/test_audit_thresholds.py"],
        "protocols/forensics/comparing_numbers.py": ["tests/protocols/test_audit_numbers.py"],
        "protocols/forensics/probing.py": ["tests/protocols/test_audit_thresholds.py"],
    },
    "parts": {
        "protocols/score/patches.py": ["tests/protocols/test_patches.py"],
        "protocols/score/localisation.py": ["tests/protocols/test_localisation.py"],
        "protocols/score/part_shift.py": ["tests/protocols/test_part_shift.py"],
    },
}
"""The modules of each part, and the test files of each that have to notice."""


def copy_checkout(to: Path) -> Path:
    """What git tracks or would, below ``to/fakeoff``: the package, if ``to`` is on Python's path."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    copy = to / "fakeoff"
    shutil.rmtree(copy, ignore_errors=True)
    for name in filter(None, names):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def spans_without_effect(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where annotations and the arguments of decorators are; rows from 1, columns from 0."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign | ast.arg):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                found += [word.value for word in decorator.keywords] if isinstance(decorator, ast.Call) else []
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)) for node in found if node
    ]


def draw(items: Sequence[WorkItem], *, source: str, each: int, seed: str) -> set[str]:
    """The jobs of ``each`` places, one change of each."""
    spans = spans_without_effect(source)
    places: dict[tuple[tuple[int, int], tuple[int, int]], list[WorkItem]] = {}
    for item in items:
        [change] = item.mutations
        if not any(start <= change.start_pos and change.end_pos <= end for start, end in spans):
            places.setdefault((change.start_pos, change.end_pos), []).append(item)
    rng = random.Random(seed)
    drawn = rng.sample(sorted(places), min(each, len(places)))
    return {rng.choice(sorted(places[place], key=told)).job_id for place in sorted(drawn)}


def told(item: WorkItem) -> str:
    """A change without the number of its job, which is random."""
    [change] = item.mutations
    return f"{change.operator_name} {change.occurrence} {change.operator_args}"


def try_tests(tests: Sequence[str], *, copy: Path, environment: Mapping[str, str]) -> tuple[list[str], float]:
    """The command for tests that pass as they are, and its seconds: without conftest.py, where they need none of it."""
    for without in (["--noconftest"], []):
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *without, *tests]
        started = time.monotonic()
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        if not done.returncode:
            return command, time.monotonic() - started
    raise click.ClickException(f"{' '.join(tests)} fail as they are:\n{done.stdout[-2000:]}")


def session_of(module: str, *, each: int, seed: int, work: Path) -> Path:
    """Where it is kept how each of a module's mutants ended: of the module as it is now."""
    version = hashlib.sha256((ROOT / module).read_bytes()).hexdigest()[:8]
    return work / module.removesuffix(".py").replace("/", "-") / f"{version}-{each}-{seed}.sqlite"


def run_module(module: str, tests: Sequence[str], *, each: int, seed: int, work: Path) -> None:
    """Tries a module's mutants; of those that were tried before only the survivors, since tests grow."""
    session = session_of(module, each=each, seed=seed, work=work)
    folder = session.parent
    copy = copy_checkout(folder)
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder / "tmp"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "tmp"),
    }
    command, seconds = try_tests(tests, copy=copy, environment=environment)
    config = folder / "cosmic-ray.toml"
    config.write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(module)}\n"
        f"timeout = {max(FEWEST_SECONDS, TIMES_AS_LONG * seconds):.0f}\n"
        "excluded-modules = []\n"
        f"test-command = {json.dumps(shlex.join(command))}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
    if not session.exists():
        fresh = session.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        subprocess.run([*cosmic_ray, "init", config, fresh], cwd=copy, env=environment, check=True)
        with use_db(fresh, WorkDB.Mode.open) as base:
            items = base.work_items
            drawn = draw(items, source=(copy / module).read_text(), each=each, seed=f"{seed} {module}")
            left_out = [item.job_id for item in items if item.job_id not in drawn]
            base.set_multiple_results(left_out, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
        fresh.rename(session)
    forget_survivors(session)
    subprocess.run([*cosmic_ray, "exec", config, session], cwd=copy, env=environment, check=True)
    shutil.rmtree(folder / "tmp")


def forget_survivors(session: Path) -> None:
    """Has the survivors tried again."""
    with contextlib.closing(sqlite3.connect(session)) as base, base:
        base.execute("DELETE FROM work_results WHERE lower(test_outcome) = ?", [TestOutcome.SURVIVED.value])


def read_session(session: Path, module: str) -> dict[str, Any]:
    """How many of a module's mutants were noticed, which were not, and how many were not tried yet."""
    outcomes: Counter[str] = Counter()
    survivors: list[dict[str, Any]] = []
    if not session.exists():
        return {"mutants": 0, "noticed": 0, "survivors": survivors}
    with use_db(session, WorkDB.Mode.open) as base:
        results = dict(base.results)
        for item in base.work_items:
            result = results.get(item.job_id)
            if result is None:
                outcomes["not tried"] += 1
                continue
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            noticed = result.test_outcome != TestOutcome.SURVIVED
            outcomes["noticed" if noticed else "survived"] += 1
            if not noticed:
                survivors.append(survivor(item.mutations[0], result.diff or "", module))
    survivors.sort(key=lambda one: (one["line"], one["after"]))
    waiting = {"not_tried": outcomes.pop("not tried")} if outcomes["not tried"] else {}
    return {"mutants": outcomes.total(), "noticed": outcomes["noticed"], **waiting, "survivors": survivors}


def survivor(change: MutationSpec, diff: str, module: str) -> dict[str, Any]:
    """Where a change is that no test noticed, and what it does."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return {"line": change.start_pos[0], "before": before, "after": after, "equivalent": reason(module, before, after)}


def reason(module: str, before: str, after: str) -> str:
    """Why nobody can tell a mutant from the original; empty where somebody could."""
    for entry in tomllib.loads(EQUIVALENT.read_text()).get("equivalent", []):
        if (entry["module"], entry["before"], entry["after"]) == (module, before, after):
            return str(entry["reason"])
    return ""


def summary(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each part, and one for each survivor that is to be looked at."""
    for part, modules in found.items():
        tried = sum(module["mutants"] for module in modules.values())
        noticed = sum(module["noticed"] for module in modules.values())
        equal = sum(bool(one["equivalent"]) for module in modules.values() for one in module["survivors"])
        yield f"{part}: {noticed} of {tried} noticed, {equal} equivalent, {tried - noticed - equal} to be looked at"
        for name, module in modules.items():
            for one in module["survivors"]:
                if not one["equivalent"]:
                    yield f"  {name}:{one['line']}\n    - {one['before']}\n    + {one['after']}"


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Which; all of them by default.")
@click.option("--each", default=20, show_default=True, help="Places of a module at most.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option("--jobs", default=1, show_default=True, help="Modules at once.")
@click.option("--work", default=Path("scratch/mutants"), show_default=True, type=click.Path(path_type=Path))
@click.option("--no-run", is_flag=True, help="Only say what was tried so far.")
@click.option("--out", type=click.Path(path_type=Path), help="A file for the figures.")
def main(parts: Sequence[str], each: int, seed: int, jobs: int, work: Path, no_run: bool, out: Path | None) -> None:
    work = work.resolve()
    modules = [(part, module, tests) for part in parts or PARTS for module, tests in PARTS[part].items()]

    def run(entry: tuple[str, str, Sequence[str]]) -> dict[str, Any]:
        _, module, tests = entry
        if not no_run:
            run_module(module, tests, each=each, seed=seed, work=work)
        found = read_session(session_of(module, each=each, seed=seed, work=work), module)
        click.echo(f"{module}: {found['noticed']} of {found['mutants']}")
        return {"tests": list(tests), **found}

    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(run, modules))
    found: dict[str, dict[str, Any]] = {}
    for (part, module, _), result in zip(modules, results, strict=True):
        found.setdefault(part, {})[module] = result
    for line in summary(found):
        click.echo(line)
    if out:
        kept = json.loads(out.read_text()) if out.exists() else {}
        words = ["python", "scripts/mutants.py", *(word for part in found for word in ("--part", part))]
        how = {"command": shlex.join([*words, "--each", str(each), "--seed", str(seed)]), "processor": processor()}
        kept |= {part: {**how, "modules": tried} for part, tried in found.items()}
        out.write_text(json.dumps({part: kept[part] for part in PARTS if part in kept}, indent=2) + "\n")


if __name__ == "__main__":
    main()
