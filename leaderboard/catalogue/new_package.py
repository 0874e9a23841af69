"""A ready package around a player of one's own: it installs, keeps its contract and plays as it is."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from fakeoff import __version__, detectors, generators
from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.players.registry import Registry

_REGISTRIES: Mapping[str, Registry[Any]] = {"generator": generators.players, "detector": detectors.players}
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_SUFFIX = ".txt"  # so that nothing takes the templates for code of this package


def write_package(kind: str, name: str, *, into: Path) -> Path:
    """Writes a package with one player.

    Args:
        kind: ``generator`` or ``detector``.
        name: Of the player: words of lower-case letters and digits, joined by ``_`` or ``-``. Its package is called the
            same.
        into: The folder to make the package's folder in.

    Returns:
        The package's folder.

    Raises:
        ConfigError: The name cannot be one, or the folder is there or cannot be written.
        PluginError: A player, or a module, of that name is here already.
    """
    words = re.split("[_-]", name)
    module, distribution = "_".join(words), "-".join(words)
    if not _NAME.fullmatch(name) or keyword.iskeyword(module) or len(name) > 64:
        raise ConfigError(
            f"'{name}' cannot be the name of a {kind}: use lower-case letters, digits and _, such as my_gan"
        )
    _refuse_taken(kind, module)
    folder = into / distribution
    if folder.exists():
        raise ConfigError(f"'{folder}' is there already; choose another name, or another folder: --into")
    names = {
        "my_player": module,
        "my-player": distribution,
        "MyPlayer": "".join(word.capitalize() for word in words),
        "FAKEOFF_VERSION": __version__,
    }
    try:
        for path, text in _files(resources.files("fakeoff.leaderboard.catalogue") / "templates" / kind):
            target = folder / _renamed(path.removesuffix(_SUFFIX), names)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_renamed(text, names))
    except OSError as error:
        raise ConfigError(f"'{folder}' cannot be written: {error.strerror}; choose another folder: --into") from error
    return folder


def next_steps(folder: Path, *, kind: str, name: str) -> str:
    """What to do with a new package, as lines to print."""
    module = name.replace("-", "_")
    steps = {
        f"pip install -e {shlex.quote(str(folder))}": "makes it known; an edit takes effect without installing again",
        f"fakeoff plugins check {module}": "does it keep its contract?",
        f"fakeoff run --{kind}s {module}": "play",
    }
    width = max(map(len, steps))
    lines = [f"  {command:<{width}}  # {why}" for command, why in steps.items()]
    player = folder / "src" / module / "players.py"
    return "\n".join([f"{folder}: a {kind} that works as it is. Next:", *lines, f"Yours goes into {player}.", ""])


def _refuse_taken(kind: str, module: str) -> None:
    registry = _REGISTRIES[kind]
    if module in registry:
        raise PluginError(
            f"there is a {kind} '{module}' already, from {registry.entry(module).where}; choose another name"
        )
    if importlib.util.find_spec(module) is not None:
        raise PluginError(
            f"Python has a module '{module}' here already, which the package would hide; choose another name"
        )


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _files(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_text()


def _renamed(text: str, names: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)
