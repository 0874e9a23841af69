"""Builds the wheel and the sdist twice, and says whether they are the same bytes.

    python scripts/build_twice.py              # of the last commit
    python scripts/build_twice.py --keep dist  # and the first two stay

Both builds are of clean clones, in folders of other names, an hour of the clock apart and under another umask. Packages
of one commit are the same bytes for whoever builds them with ``SOURCE_DATE_EPOCH`` set to its time and the same
setuptools.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
HOUR = 3600


def commit_time() -> str:
    """Of the last commit, in seconds."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return shown.stdout.strip()


def build(clone: Path, *, umask: int, older: int, epoch: str) -> dict[str, Path]:
    """Builds the last commit in a clone; the files that were made, by their names.

    Args:
        clone: Where; it must not be there yet.
        umask: Of the clone's files.
        older: By how many seconds its files are to seem older than they are.
        epoch: ``SOURCE_DATE_EPOCH``.
    """
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, umask=umask)
    for path in clone.rglob("*"):
        if not path.is_symlink():
            made = path.stat().st_mtime - older
            os.utime(path, (made, made))
    built = clone.with_name(f"{clone.name}-built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, clone]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, umask=umask)
    if done.returncode:
        raise click.ClickException(f"the build failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return {path.name: path for path in sorted(built.iterdir())}


def members(archive: Path) -> Iterator[tuple[str, str]]:
    """What an archive holds, and whatever could differ of each."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                yield entry.filename, f"{entry.date_time} {entry.external_attr >> 16:o} {entry.CRC:x}"
    else:
        with tarfile.open(archive) as opened_tar:
            for member in opened_tar:
                file = opened_tar.extractfile(member)
                read = hashlib.sha256(file.read()).hexdigest()[:12] if file else ""
                yield member.name, f"{member.mtime} {member.mode:o} {member.uname}:{member.gname} {member.uid} {read}"


def compare(first: Path, second: Path) -> list[str]:
    """A line for each difference of two archives; none where they are the same bytes."""
    if first.read_bytes() == second.read_bytes():
        return []
    one, other = list(members(first)), list(members(second))
    if one == other:
        return ["the same members, packed otherwise"]
    told = dict(other)
    lines = [f"{name}: {what} | {told.get(name, 'missing')}" for name, what in one if told.get(name) != what]
    lines += [f"{name}: only in the second" for name, _ in other if name not in dict(one)]
    return lines or ["the same members in another order"]


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--keep", type=click.Path(path_type=Path), help="A folder for the wheel and the sdist.")
def main(keep: Path | None) -> None:
    epoch, differing = commit_time(), 0
    with tempfile.TemporaryDirectory() as work:
        first = build(Path(work) / "one", umask=0o022, older=0, epoch=epoch)
        second = build(Path(work) / "another-name", umask=0o077, older=HOUR, epoch=epoch)
        if set(first) != set(second):
            raise click.ClickException(f"{', '.join(first)} at first, then {', '.join(second)}")
        for name, path in first.items():
            lines = compare(path, second[name])
            differing += bool(lines)
            click.echo(f"{'differs' if lines else 'same'}  {hashlib.sha256(path.read_bytes()).hexdigest()}  {name}")
            for line in lines[:20]:
                click.echo(f"    {line}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep)
    if differing:
        raise click.ClickException("not the same bytes")


if __name__ == "__main__":
    main()
