"""Which plugin files are run when a home is opened: those that the user names, and those that the user ran before."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.plugins import load_plugin_file, provide, read_plugin_file
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.players.registry import registered_by, tell_of
from fakeoff.arena.players.trust import Trust, TrustedFile
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.plugin_files import names_of, remembered_files

Ask: TypeAlias = Callable[[str], bool]
"""Asks somebody whether a file is to be run, and says what was answered."""


def open_plugins(
    given: Sequence[Path],
    *,
    named: Sequence[Path] = (),
    home: Home | None = None,
    ask: Ask | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Runs plugin files, so that their players are known.

    What the user gives is run, and remembered on this machine. What a configuration or a home names is run if this very
    text was run from this very place before; else somebody is asked, and where nobody can be asked it is not run, and
    whoever looks for a player of it is told so.

    Args:
        given: By the user, now.
        named: By a configuration.
        home: Which may remember some.
        ask: Asks; None where nobody can be asked.
        say: Tells what is worth knowing, a line each.

    Raises:
        PluginError: A given file, or one that may be run, cannot be read or does not import; or a file that a
            configuration names may not be run.
    """
    trust, loaded = Trust(), set[str]()
    for path in given:
        loaded.add(_trusted(load_plugin_file(path), trust).path)
    for path in named:
        file = read_plugin_file(path)
        if file.path in loaded:
            continue
        if not _may_run(file, trust, ask):
            raise PluginError(f"the configuration names {_not_run(file, trust)}")
        provide(file)
        loaded.add(_trusted(file, trust).path)
    there = {(kind, name) for path in loaded for kind, names in registered_by(path).items() for name in names}
    for known in remembered_files(home) if home is not None else ():
        # Whoever works in a notebook may have run it already.
        if known.path not in loaded and not names_of(known) & there and not registered_by(known.path):
            _open_remembered(known, trust, ask=ask, say=say)
    for known in trust.files:
        if known.path in loaded:
            continue
        for kind, name in names_of(known) if Path(known.path).is_file() else ():
            tell_of(kind, name, f"plugin file '{known.path}' has one of that name; load it with: {_option(known.path)}")
    for known in remembered_files(home) if home is not None else ():
        _tell_of_missing(known, trust)


def _open_remembered(known: TrustedFile, trust: Trust, *, ask: Ask | None, say: Callable[[str], None] | None) -> None:
    """Runs a file that a home remembers, if it may be run."""
    try:
        file = read_plugin_file(Path(known.path))
    except PluginError:
        return  # it was played elsewhere, or the file was moved; who needs its players is told
    if not _may_run(file, trust, ask):
        return
    if file.sha256 != known.sha256 and say is not None:
        say(f"plugin file '{file.path}' has changed since this home was played: its players are other players now")
    provide(file)
    _trusted(file, trust)


def _may_run(file: PluginFile, trust: Trust, ask: Ask | None) -> bool:
    if trust.holds(file):
        return True
    if ask is None:
        return False
    why = "has changed since it was last run here" if trust.knew(file.path) else "was never run on this machine"
    return ask(
        f"plugin file '{_printable(file.path)}' {why}. It is code, and would be run with all that you may do. Run it?"
    )


def _trusted(file: PluginFile, trust: Trust) -> PluginFile:
    trust.add(file, registered_by(file.path))
    return file


def _not_run(file: PluginFile, trust: Trust) -> str:
    why = "has changed since it was last run here" if trust.knew(file.path) else "was never run on this machine"
    return f"plugin file '{_printable(file.path)}', which {why}; look at it, and accept it with: {_option(file.path)}"


def _tell_of_missing(known: TrustedFile, trust: Trust) -> None:
    """Tells whoever looks for a player of a file that was not run what to do."""
    try:
        file = read_plugin_file(Path(known.path))
        why = f"this home was played with {_not_run(file, trust)}"
        if trust.holds(file):
            return
    except PluginError:
        why = (
            f"this home was played with plugin file '{_printable(known.path)}', which is not there; give it from where "
            "it lies now, with --plugin"
        )
    for kind, name in names_of(known):
        tell_of(kind, name, why)


def _option(path: str) -> str:
    return f"--plugin {shlex.quote(_printable(path))}"


def _printable(path: str) -> str:
    """A path that somebody else wrote: it commands no terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in path)


__all__ = ["Ask", "open_plugins"]
