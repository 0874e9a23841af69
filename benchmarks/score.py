"""Times `fakeoff score` against the bare forward pass of the same detector on tensors in memory, and weighs its memory.

    python benchmarks/score.py                 # plays a short game first, for detectors to judge with
    python benchmarks/score.py --home my-game  # or takes those of a home

After start, in turns, in one process: the detector's ``score`` on batches that are ready (float32, eval, channels_last,
no gradients), with one operation on all cores and with one thread on each core by itself (the faster one is the bar);
a loop as one writes it by hand, on one thread (Pillow opens, crops and resizes, then a tensor, then the same batches):
the floor of anybody who reads files; and all that `fakeoff score` does after it has started, from files to rows. The
pictures are the ORL photographs as PNG files, over and over, and once as large JPEG files: there the decoder is what
takes time, and it is timed by itself. On a machine that others use, too, CPU time is what can be compared.

Then the command as a whole, each time in a process of its own: what the first picture costs, what each more, and the
most memory that it holds at 100, 1,000 and 10,000 pictures. Results are written to ``benchmarks/results/``.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import processes
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from fakeoff.arena import compute
from fakeoff.arena.images.looking import cores
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.reals import orl_faces
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.scoring.rows import row_bytes
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.rules import referee
from fakeoff.protocols.scoring.framing import frame, open_picture
from fakeoff.protocols.scoring.judges import Judge, choose_judges
from fakeoff.protocols.scoring.sources import find_pictures
from fakeoff.protocols.scoring.stream import score_pictures

_RESULTS = Path(__file__).parent / "results" / "score.json"
_DETECTORS = ("xception_block1", "xception_block2", "resnet18", "xception")
_WEIGHED = "xception_block1"  # before whom the command is weighed
_BATCH = 64
_BY_HAND = "by hand, one thread"
_GAME = (
    "defend.steps=40 pools.train_fakes=64 pools.val_fakes=32 pools.test_fakes=32 score.resamples=100 parts.parser= "
    "score.scored_again=0"
)


def _play(home: Path) -> None:
    """A game whose detectors have learned little, and take as long as any."""
    settings = itertools.chain.from_iterable(("--set", setting) for setting in _GAME.split())
    command = [sys.executable, "-m", "fakeoff.cli", "run", "--serial", "--rounds", "0", "--home", str(home)]
    subprocess.run([*command, "--detectors", ",".join(_DETECTORS), *settings], check=True, stdout=subprocess.DEVNULL)


def _write_pictures(folder: Path, count: int, *, suffix: str = ".png", side: int | None = None) -> Path:
    folder.mkdir()
    photographs = [photograph.path for split in orl_faces().photographs.values() for photograph in split]
    for index in range(count):
        path = folder / f"{index:05d}{suffix}"
        if index >= len(photographs):
            shutil.copyfile(folder / f"{index - len(photographs):05d}{suffix}", path)
            continue
        with Image.open(photographs[index]) as image:
            (image.resize((side, side)).convert("RGB") if side else image).save(path)
    return folder


def _bare(judge: Judge, images: torch.Tensor, *, apart: bool) -> Callable[[], None]:
    """The forward pass on batches that are there: one operation on all cores, or a thread on each core by itself."""
    threads = cores() if apart else 1
    models = [judge.build().eval() for _ in range(threads)]
    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    batches = [compute.image_layout(referee.shown(models[0], part)) for part in parts]  # of its side, where it has one

    def some(thread: int) -> None:
        torch.set_num_threads(1 if apart else cores())
        with torch.no_grad():
            for batch in batches[thread::threads]:
                models[thread].score(batch)

    def forward() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, range(threads)))

    return forward


def _score(judge: Judge, folder: Path, record: TournamentRecord, *, workers: int) -> Callable[[], None]:
    def score() -> None:
        for scored in score_pictures(find_pictures([str(folder)]), judges=[judge], record=record, workers=workers):
            for row in scored.rows:
                row_bytes(row, "csv")

    return score


def _by_hand(judge: Judge, folder: Path, side: int) -> Callable[[], None]:
    """What a script without any of the house does: no damaged file is expected, and no picture but such as these."""
    model = judge.build().eval()

    def read(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            short = min(image.size)
            left, top = (image.width - short) // 2, (image.height - short) // 2
            square = image.convert("L").crop((left, top, left + short, top + short))
        small = square.resize((side, side), Image.Resampling.LANCZOS).convert("RGB")
        return torch.from_numpy(np.array(small)).permute(2, 0, 1)

    def loop() -> None:
        torch.set_num_threads(1)
        paths = sorted(folder.iterdir())
        with torch.no_grad():
            for start in range(0, len(paths), _BATCH):
                batch = torch.stack([read(path) for path in paths[start : start + _BATCH]]).float() / 255
                model.score(compute.image_layout(referee.shown(model, batch))).tolist()

    return loop


def _decode(folder: Path, record: TournamentRecord) -> Callable[[], None]:
    def decode() -> None:
        for found in find_pictures([str(folder)]):
            frame(open_picture(found.name), framing="crop", record=record)

    return decode


def _in_turns(ways: dict[str, Callable[[], None]], *, turns: int) -> dict[str, dict[str, list[float]]]:
    """Seconds and CPU seconds of each way in each turn; a first turn warms up."""
    taken: dict[str, dict[str, list[float]]] = {way: {"seconds": [], "cpu_seconds": []} for way in ways}
    for turn in range(turns + 1):
        for way, work in ways.items():
            started, before = time.perf_counter(), time.process_time()
            work()
            if turn:
                taken[way]["seconds"].append(time.perf_counter() - started)
                taken[way]["cpu_seconds"].append(time.process_time() - before)
    return taken


# The kernel counts what a process held before it became the command: this one is small, and the benchmark is not.
_WATCHED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "code": code,
    "seconds": time.perf_counter() - started,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_megabytes": used.ru_maxrss / 1000,
}))
"""


def _command(home: Path, detector: str, pictures: Path, *, out: Path) -> dict[str, float]:
    """The whole command on a folder: seconds, CPU seconds, and the most memory that it held."""
    out.unlink(missing_ok=True)
    given = [sys.executable, "-m", "fakeoff.cli", "score", "--home", str(home), "--detector", detector]
    watched = [sys.executable, "-c", _WATCHED, *given, str(pictures), "--out", str(out)]
    told: dict[str, float] = json.loads(subprocess.run(watched, check=True, stdout=subprocess.PIPE).stdout)
    if code := told.pop("code"):
        raise click.ClickException(f"fakeoff score ended with {code:.0f}")
    return told


def _ways(judge: Judge, folder: Path, record: TournamentRecord) -> Iterator[tuple[str, Callable[[], None]]]:
    pixels = [
        frame(open_picture(found.name), framing="crop", record=record).pixels for found in find_pictures([str(folder)])
    ]
    images = Pool(*pixels)[:]
    yield "bare, an operation on all cores", _bare(judge, images, apart=False)
    yield "bare, a thread on each core", _bare(judge, images, apart=True)
    yield _BY_HAND, _by_hand(judge, folder, record.config.arena.resolution)
    yield "fakeoff score", _score(judge, folder, record, workers=cores())
    yield "reading alone, one thread", _decode(folder, record)


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path, exists=True), help="With detectors; else a short game is played."
)
@click.option("--turns", default=5, show_default=True)
@click.option("--most", default=10_000, show_default=True, help="Pictures in the largest folder.")
@click.option(
    "--part",
    "parts",
    type=click.Choice(["small", "large", "command"]),
    multiple=True,
    default=("small", "large", "command"),
    help="Only this one; the others keep their stored results.",
)
def main(home: Path | None, turns: int, most: int, parts: tuple[str, ...]) -> None:
    console = Console(width=150)
    result: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() and len(parts) < 3 else {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if home is None:
            home = root / "home"
            _play(home)
        store = Home(home).open_store()
        record = read_ledger(Home(home), store)
        judges = choose_judges(None, record=record, store=store)
        compute.prepare_process(threads=1)
        result |= {**processes.machine(), "usable_cores": cores(), "resolution": record.config.arena.resolution}
        if "small" in parts:
            folder = _write_pictures(root / "small", 1000)
            result["small"] = {
                judge.version.player: _in_turns(dict(_ways(judge, folder, record)), turns=turns) for judge in judges
            }
        if "large" in parts:
            folder = _write_pictures(root / "large", 100, suffix=".jpg", side=1024)
            result["large"] = {
                judges[-1].version.player: _in_turns(dict(_ways(judges[-1], folder, record)), turns=turns)
            }
        if "command" in parts:
            players = [judge.version.player for judge in judges]
            one, out = _WEIGHED if _WEIGHED in players else players[0], root / "out.csv"
            result["command"] = {"detector": one, "pictures": {}}
            for count in (1, 100, 1000, most):
                folder = _write_pictures(root / str(count), count)
                result["command"]["pictures"][str(count)] = _command(home, one, folder, out=out)
    _RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    _print(console, result)


def _print(console: Console, result: dict[str, Any]) -> None:
    console.print(f"{result['processor']}, {result['usable_cores']} cores; the arena has {result['resolution']} px")
    for heading, part, count in (("1,000 small PNG files", "small", 1000), ("100 large JPEG files", "large", 100)):
        if part not in result:
            continue
        ways = list(next(iter(result[part].values())))
        table = Table(
            title=f"{heading}: milliseconds a picture, and in brackets CPU milliseconds", title_justify="left"
        )
        for column in ("detector", *ways, "speed", "by CPU time", "by hand, by CPU time"):
            table.add_column(column)
        for detector, taken in result[part].items():
            cells = [
                f"{_median(taken[way]['seconds'], count):.2f} ({_median(taken[way]['cpu_seconds'], count):.2f})"
                for way in ways
            ]
            table.add_row(
                detector,
                *cells,
                f"{share(taken, 'seconds'):.2f}",
                f"{share(taken, 'cpu_seconds'):.2f}",
                f"{share(taken, 'cpu_seconds', way=_BY_HAND):.2f}" if _BY_HAND in taken else "not measured",
            )
        console.print(table)
    for pictures, found in result.get("command", {"pictures": {}})["pictures"].items():
        console.print(
            f"{pictures:>6} pictures before {result['command']['detector']}: {found['seconds']:.1f} s, "
            f"{found['cpu_seconds']:.1f} s of CPU time, {found['peak_megabytes']:.0f} MB at most",
            highlight=False,
        )


def _median(taken: Sequence[float], count: int) -> float:
    """Milliseconds a picture."""
    return 1000 * statistics.median(taken) / count


def share(taken: dict[str, dict[str, list[float]]], clock: str, *, way: str = "fakeoff score") -> float:
    """The speed of a way as a share of the faster bare way in the same turn: the median over turns."""
    bare = [taken[way][clock] for way in taken if way.startswith("bare")]
    return statistics.median(min(each[turn] for each in bare) / spent for turn, spent in enumerate(taken[way][clock]))


if __name__ == "__main__":
    main()
