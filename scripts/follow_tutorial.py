"""Follows a page of docs word for word, as a reader does: in an empty environment and an empty folder.

    python scripts/follow_tutorial.py                    docs/tutorial.md
    python scripts/follow_tutorial.py docs/jobs/*.md     pages for a job, a folder for each
    python scripts/follow_tutorial.py --fresh            installs every dependency: minutes more, 6.4 GB while it runs
    python scripts/follow_tutorial.py --publish          also writes what the page shows under docs/: what was printed,
                                                         and the tutorial's picture and scoreboard

Fakeoff is installed from a wheel of what git tracks, never from this checkout: by the page, as the tutorial does, or
before its first command where it makes no environment. A block of the page is one of these, or an error:

- ``console``: after each `$ ` a command, run in one shell; under it what it prints. Each line must come, but for its
  numbers, times, widths and whose place it is; `...` stands for what is left out. `# exit code 1`: it must fail so.
- a file, named above the block: **`path`**: is written; **`path`** has: must hold these lines; **`path`**, instead of
  `Class.method`: takes the block in place of the method; with language ``diff``, its lines are changed.
- ``text``: for the reader alone.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PLAYER = "my_gan"
TRANSCRIPTS = ROOT / "docs" / "results" / "followed"
PUBLISHED = {
    "fakeoff-home/scoreboard.json": "docs/results/tutorial-scoreboard.json",
    f"fakeoff-home/experiments/pretrain/{PLAYER} faces.png": "docs/pictures/tutorial-faces.png",
}
_COMMAND_SECONDS = 1800
_HOST = re.compile(rf"\b{re.escape(platform.node())}\b")  # nobody's business
_SETUP = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install --quiet ./fakeoff-*.whl")

_FENCE = re.compile(r"^```(\w*)\s*$")
_FILE = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*(?P<has> has)?(?:, instead of `(?P<name>[\w.]+)`)?:$")
_EXIT_CODE = re.compile(r"^# exit code (\d+)$")
_LEFT_OUT = "..."
_VERSION = re.compile(r"[\w.-]+@\d+")  # whose place it is may differ from one processor to another
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_SECONDS = re.compile(r" \(\d+ s\)$")
_DRAWN = re.compile(r"[━─┏┓┗┛┳┻╇┡┩┴└┘┌┐├┤┼╋┃│]+")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class TutorialError(Exception):
    """The page cannot be followed: where, and what came."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        line: Of its fence in the page.
        language: Beside the fence.
        heading: The last line above it that is not empty.
        text: Inside, with a line break at its end.
    """

    line: int
    language: str
    heading: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a console block, what it must print and how it must end."""

    line: int
    text: str
    output: tuple[str, ...]
    exit_code: int


def read_blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    heading, opened, inside = "", None, []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, inside = (number, fence[1]), []
        elif opened is None:
            heading = line.strip() or heading
        elif line.rstrip() == "```":
            yield Block(line=opened[0], language=opened[1], heading=heading, text="".join(f"{i}\n" for i in inside))
            heading, opened = "", None
        else:
            inside.append(line)
    if opened is not None:
        raise TutorialError(f"line {opened[0]}: this block has no end")


def read_commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    text, output, exit_code, start = None, [], 0, block.line

    def end() -> None:
        if text is not None:
            found.append(Command(line=start, text=text, output=tuple(output), exit_code=exit_code))

    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if line.startswith("$ "):
            end()
            text, output, exit_code, start = line.removeprefix("$ "), [], 0, number
        elif text is not None and text.endswith("\\"):
            text += f"\n{line}"
        elif text is None:
            raise TutorialError(f"line {number}: a console block starts with a command: '$ ...'")
        elif code := _EXIT_CODE.match(line):
            exit_code = int(code[1])
        elif line.strip() and line.strip() != _LEFT_OUT:
            output.append(line)
    end()
    if not found:
        raise TutorialError(f"line {block.line}: a console block without a command; what is not run is ```text")
    return found


def edit(block: Block, folder: Path) -> None:
    """Does to a file what the line above the block says."""
    named = _FILE.match(block.heading)
    if named is None:
        raise TutorialError(
            f"line {block.line}: nobody follows this block of '{block.language}': name its file above it, "
            "**`path`**:, or make it console or text"
        )
    path = folder / named["path"]
    if named["name"] is None and named["has"] is None and block.language != "diff":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        return
    if not path.is_file():
        raise TutorialError(f"line {block.line}: there is no file '{named['path']}'")
    text = path.read_text()
    try:
        if named["has"]:
            _find_lines(text, block.text)
        elif named["name"]:
            path.write_text(replace_definition(text, named["name"], block.text))
        else:
            path.write_text(patch(text, block.text))
    except LookupError as error:
        raise TutorialError(f"line {block.line}: '{named['path']}' {error.args[0]}") from error


def _find_lines(text: str, wanted: str) -> None:
    """Finds lines in their order; those around `...` need not be neighbours, nor those around an empty line."""
    lines = iter(line.rstrip() for line in text.splitlines())
    for line in wanted.splitlines():
        if line.strip() not in ("", _LEFT_OUT) and line.rstrip() not in lines:
            raise LookupError(f"has no such line there: {line.strip()}")


def replace_definition(source: str, name: str, new: str) -> str:
    """Puts a function or method in the place of the one that is called so: ``function`` or ``Class.method``."""
    body, found = ast.parse(source).body, None
    for part in name.split("."):
        found = next((node for node in body if getattr(node, "name", None) == part), None)
        if found is None:
            raise LookupError(f"has no {name}")
        body = getattr(found, "body", [])
    assert isinstance(found, ast.FunctionDef)
    lines = source.splitlines(keepends=True)
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return "".join([*lines[: first - 1], new, *lines[found.end_lineno :]])


def patch(source: str, difference: str) -> str:
    """Changes lines: those with `-` go, those with `+` come, those with a space stay; they occur once."""
    lines = difference.splitlines(keepends=True)
    if any(line[0] not in "-+ " for line in lines):
        raise LookupError("cannot be changed by this diff: a line starts with '-', '+' or a space")
    before, after = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
    if source.count(before) != 1:
        raise LookupError(f"has {source.count(before)} places for this diff, and not one")
    return source.replace(before, after)


def plain(line: str) -> str:
    """A line without what may differ: numbers, times, whose place it is, widths."""
    line = _DRAWN.sub("|", _SECONDS.sub("", _ANSI.sub("", line).rstrip()))
    return " ".join(_NUMBER.sub("#", _VERSION.sub("PLAYER@#", line)).split())


def missing_lines(expected: tuple[str, ...], output: str) -> list[str]:
    """What should have been printed and was not; where a long line was broken does not matter."""
    printed = " ".join(plain(line) for line in output.splitlines())
    return [line for line in expected if plain(line) not in printed]


class Shell:
    """One bash for the whole page: a `cd` or an activated environment holds for what follows."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Runs a command; returns its exit code and what it printed on either stream."""
        mark = "the command has ended with"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        # Nothing to read for the command: it would swallow the next one.
        stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{mark} %d\\n' $?\n")
        stdin.flush()
        clock = threading.Timer(_COMMAND_SECONDS, self._kill)
        clock.start()
        try:
            lines: list[str] = []
            for line in stdout:
                if line.startswith(mark):
                    return int(line.split()[-1]), "".join(lines).removesuffix("\n")
                lines.append(line)
        finally:
            clock.cancel()
        raise TutorialError(f"the shell ended within '{command}':\n{''.join(lines)}")

    def close(self) -> None:
        """Ends the shell and whatever runs in it."""
        self._kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def build_wheel(into: Path, environment: dict[str, str]) -> None:
    """Builds Fakeoff's wheel from what git tracks, as it lies here."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as clone:
        for name in filter(None, tracked.stdout.split("\0")):
            source, target = ROOT / name, Path(clone, name)
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), clone]
        subprocess.run(command, env=environment, check=True)


def link_dependencies(into: Path) -> None:
    """Links what is installed here, but nothing that is installed from a checkout, and no `.pth` file."""
    into.mkdir()
    own = {"fakeoff"}
    for distribution in distributions():
        if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
            own |= {file.parts[0] for file in distribution.files or ()}
    for folder in (Path(path) for path in sys.path if Path(path).name in ("site-packages", "dist-packages")):
        for item in folder.iterdir():
            is_own = item.name in own or item.name.startswith("fakeoff-") or item.suffix == ".pth"
            if not is_own and not (into / item.name).exists():
                (into / item.name).symlink_to(item)


def _environment(*, fresh: bool) -> dict[str, str]:
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "FAKEOFF_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    here, base = (str(Path(path).parent) for path in (sys.executable, sys._base_executable))
    # `python3` is the one that this environment was made with: its dependencies fit no other.
    paths = [path for path in environment.get("PATH", os.defpath).split(os.pathsep) if path != here]
    environment |= {"PATH": os.pathsep.join([base, *paths]), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if not fresh:
        # To pip, the variable is the value of build_isolation: 0 is what --no-build-isolation sets.
        environment |= {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    return environment


def follow(page: Path, root: Path, *, fresh: bool) -> None:
    """Follows a page in `root/reader`, and keeps what was printed in `root/transcript.txt`.

    Raises:
        TutorialError: It cannot be followed, or something else comes of it.
    """
    environment = _environment(fresh=fresh)
    blocks = [block for block in read_blocks(page.read_text()) if block.language != "text"]
    folder = root / "reader"
    folder.mkdir()
    build_wheel(folder, environment)
    if not fresh:
        link_dependencies(root / "dependencies")
    shell = Shell(folder, environment)

    def run(command: Command) -> str:
        printed = _run(shell, command)
        made = re.search(r"-m venv (\S+)", command.text)
        if made and not fresh:
            _borrow(folder / made[1], root / "dependencies")
        return printed

    try:
        if not any("-m venv" in block.text for block in blocks):
            for text in _SETUP:
                run(Command(line=0, text=text, output=(), exit_code=0))
        with (root / "transcript.txt").open("w") as transcript:
            for block in blocks:
                if block.language != "console":
                    edit(block, folder)
                    continue
                for command in read_commands(block):
                    transcript.write(run(command).replace(str(folder), ".").replace(str(root), ".."))
                    transcript.flush()
        _, came_from = shell.run('python -c "import fakeoff; print(fakeoff.__file__)"')
    finally:
        shell.close()
    if not Path(came_from.strip()).is_relative_to(folder):
        raise TutorialError(f"fakeoff did not come from the wheel, but from '{came_from.strip()}'")


def _run(shell: Shell, command: Command) -> str:
    print(f"$ {command.text}", end="", flush=True)
    started = time.monotonic()
    exit_code, output = shell.run(command.text)
    output = _HOST.sub("HOST", output)
    print(f"  # {time.monotonic() - started:.0f} s", flush=True)
    where = f"line {command.line}: '{command.text}'"
    if exit_code != command.exit_code:
        raise TutorialError(f"{where} ended with exit code {exit_code}, not {command.exit_code}:\n{output}")
    if missing := missing_lines(command.output, output):
        raise TutorialError(f"{where} did not print this line: {missing[0].strip()}\nbut this:\n{output}")
    return f"$ {command.text}\n{output}\n"


def _borrow(environment: Path, dependencies: Path) -> None:
    """Gives a new environment the dependencies of this one."""
    python = environment / "bin" / "python"
    # An old setuptools, as Python 3.11 puts into each environment, would hide the one that is borrowed.
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{dependencies}\n")


def check_outcome(home: Path) -> str:
    """Holds the reader's scoreboard to what the tutorial promises; returns its standings as text.

    Raises:
        TutorialError: The reader's generator is not on it, or somebody forfeited.
    """
    scoreboard = json.loads((home / "scoreboard.json").read_text())
    standings = scoreboard["standings"]
    versions = {cell["generator_round"] for cell in scoreboard["cells"] if cell["generator"] == PLAYER}
    if PLAYER not in {row["player"] for row in standings["generators"]}:
        raise TutorialError(f"{PLAYER} is not among the generators' standings")
    if versions != {0, 1}:
        raise TutorialError(f"{PLAYER} has versions {sorted(versions)}, not 0 and 1")
    if scoreboard["forfeits"]:
        raise TutorialError(f"somebody forfeited: {scoreboard['forfeits']}")
    return json.dumps(standings, indent=2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Follows pages of docs word for word.")
    parser.add_argument("pages", nargs="*", type=Path, default=[TUTORIAL], help="docs/tutorial.md where none is given.")
    parser.add_argument("--fresh", action="store_true", help="Install every dependency anew.")
    parser.add_argument(
        "--folder", type=Path, help="An empty folder to work in and to keep; otherwise a temporary one."
    )
    parser.add_argument("--publish", action="store_true", help="Write what was printed and drawn under docs/.")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="follow-tutorial-")))
        root = root.resolve()
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            sys.exit(f"'{root}' is not empty")
        for page in given.pages:
            _follow_one(page, root if len(given.pages) == 1 else root / page.stem, given)


def _follow_one(page: Path, root: Path, given: argparse.Namespace) -> None:
    started, is_tutorial = time.monotonic(), page.resolve() == TUTORIAL
    root.mkdir(exist_ok=True)
    try:
        follow(page, root, fresh=given.fresh)
        if is_tutorial:
            print(check_outcome(root / "reader" / "fakeoff-home"))
    except (TutorialError, OSError) as error:
        sys.exit(f"{page} cannot be followed: {error}")
    if given.publish and is_tutorial:
        for source, target in PUBLISHED.items():
            shutil.copyfile(root / "reader" / source, ROOT / target)
    elif given.publish:
        TRANSCRIPTS.mkdir(exist_ok=True)
        shutil.copyfile(root / "transcript.txt", TRANSCRIPTS / f"{page.stem}.txt")
    print(f"{page.name} followed in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
