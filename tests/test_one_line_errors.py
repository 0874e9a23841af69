"""What the system refuses is told in one line, with the place and the mend."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fakeoff.arena.errors import DataError
from fakeoff.cli import main
from fakeoff.leaderboard.terminal.one_line_errors import OneLineErrors, tell_os_error


@pytest.mark.parametrize(
    ("number", "place", "said"),
    [
        (errno.ENOSPC, None, "No space left on device; free some space"),
        (errno.EROFS, "/home/x", "'/home/x' cannot be used: Read-only file system; it is read-only: use another"),
        (errno.EACCES, b"/a\xff", r"'/a\\udcff' cannot be used: Permission denied; give yourself the right"),
        (errno.EIO, "/a\nb", r"'/a\nb' cannot be used: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_mend(number: int, place: object, said: str) -> None:
    told = tell_os_error(OSError(number, os.strerror(number), place))
    assert told.startswith(said.replace(r"\\", "\\"))
    assert told.isprintable()


def test_a_path_that_is_endless_is_not_printed_whole() -> None:
    assert len(tell_os_error(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000))) < 400


@pytest.mark.parametrize("place", [None, "x"])
def test_a_full_disk_ends_a_command_in_one_line(place: str | None) -> None:
    @click.group(cls=OneLineErrors)
    def group() -> None:
        pass

    @group.command()
    def fills() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", place)

    done = CliRunner().invoke(group, ["fills"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "what was computed is kept" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--home", ""),
        ("run", "--reals", ""),
        ("run", ""),
        ("leaderboard", "--home="),
        ("audit", "", "x"),
        ("pack", "", "x"),
        ("run", "--plugin", ""),
    ],
)
def test_an_empty_path_is_an_unset_variable_and_no_folder(words: tuple[str, ...], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "it is empty; is a shell variable not set?" in done.output


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("#=1", "there is no key"),
        ("rounds=true", "'rounds': this is a number, not True"),
        ('seed="7"', "'seed': this is a number, not '7'"),
        ("attack.rate=false", "'attack.rate': this is a number, not False"),
        ("a=" + "[" * 4000 + "]" * 4000, "is no setting"),
    ],
)
def test_what_only_looks_like_a_setting_is_none(setting: str, said: str) -> None:
    done = CliRunner().invoke(main, ["run", "--print-config", "--set", setting])
    assert done.exit_code == 2
    assert said in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_configuration_that_is_nested_without_end_is_none(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    done = CliRunner().invoke(main, ["run", str(path), "--print-config"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "nested too deep" in done.stderr


def test_what_is_quoted_from_a_file_commands_no_terminal() -> None:
    group = OneLineErrors()

    @group.command()
    def read() -> None:
        raise DataError("no column 'image'; its columns: PK\x03\x1b[2J, score", mend=["--image-column", "\x1b[2J"])

    done = CliRunner().invoke(group, ["read"])
    assert done.exit_code == 2
    assert r"columns: PK\x03\x1b[2J, score" in done.output
    assert all(line.isprintable() for line in done.output.splitlines())
    assert len(done.output.splitlines()) == 2


@pytest.mark.parametrize("words", [("compare", "LOOP", "LOOP"), ("leaderboard", "LOOP"), ("unpack", "LOOP", "OUT")])
def test_a_link_to_itself_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    given = [word.replace("LOOP", str(loop)).replace("OUT", str(tmp_path / "out")) for word in words]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2, done.exception
    assert len(done.output.strip().splitlines()) == 1
    assert "loop" in done.output


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_an_archive_that_is_no_file_is_not_waited_for(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "home.fakeoff"
    if kind == "pipe":
        os.mkfifo(archive)
    else:
        archive.symlink_to("/dev/zero")
    done = CliRunner().invoke(main, ["unpack", str(archive), str(tmp_path / "home")])
    assert done.exit_code == 2, done.exception
    assert "it is a pipe or a device, and no file" in done.output
