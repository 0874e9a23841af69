"""The players that can be entered, as a table."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff import detectors, generators, protocols
from fakeoff.arena import parsers
from fakeoff.arena.players.entries import Entry
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.static.describe import Capabilities, Description, ParameterDescription, describe

MEANINGS = {
    "trainable": "learns",
    "attackable": "learns by steps that an attack can add to",
    "fixed": "plays as it came",
    "differentiable": "an attack can follow its gradient",
    "invertible": "finds the latent vector of an image",
    "latent": "makes an image of a latent vector",
    "manipulator": "swaps faces or expressions",
    "patch": "judges patches, and so says where",
    "landmarks": "finds the points of a face",
}
"""The abilities in a few words."""

# Nearly every player that learns has these.
_USUAL = ("attackable", "differentiable")
_GAP = 2
_WIDEST_NAME = 24
_PARAMETER_LINES = 2
# What is lost at the ends of lines that break between words.
_RAGGED = 16


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of plugin.

    Attributes:
        registry: Those that are known.
        interface: What each must derive from.
        capabilities: Says what a class can do.
        heading: The kind in a few words.
        enter: How one is entered, with ``NAME`` in its name's place.
        has_contract: Whether ``fakeoff plugins check`` can check one.
    """

    registry: Registry[Any]
    interface: type
    capabilities: Capabilities
    heading: str
    enter: str
    has_contract: bool = True


KINDS = (
    Kind(
        registry=generators.players,
        interface=generators.Generator,
        capabilities=generators.abilities,
        heading="Generators: they make fakes",
        enter="fakeoff run --generators NAME",
    ),
    Kind(
        registry=detectors.players,
        interface=detectors.Detector,
        capabilities=detectors.abilities,
        heading="Detectors: they catch them",
        enter="fakeoff run --detectors NAME",
    ),
    Kind(
        registry=parsers.parsers,
        interface=parsers.FaceParser,
        capabilities=parsers.capabilities,
        heading="Face parsers: they say where in the face",
        enter='parser = "NAME" under [parts] in a configuration',
    ),
    Kind(
        registry=protocols.protocols,
        interface=protocols.Protocol,
        capabilities=lambda _: (),
        heading="Protocols: they say what is played",
        enter="fakeoff run --protocol NAME",
        has_contract=False,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of the list.

    Attributes:
        kind: Its kind.
        entry: As it is registered.
        description: What can be said of it without importing it.
        is_contested: Whether others claim its name too.
    """

    kind: Kind
    entry: Entry
    description: Description
    is_contested: bool = False


def list_players() -> tuple[Listed, ...]:
    """Everything that can be entered, by kind and name. No player's module is imported."""
    return tuple(
        Listed(
            kind=kind,
            entry=entry,
            description=describe(entry, interface=kind.interface, capabilities=kind.capabilities),
            is_contested=entry.name in kind.registry.contested,
        )
        for kind in KINDS
        for entry in _entries(kind.registry)
    )


def _entries(registry: Registry[Any]) -> Iterator[Entry]:
    for entry in registry:
        yield from registry.contested.get(entry.name, (entry,))
    for family in registry.families:
        yield family.pattern


def players_text() -> str:
    """Everything that can be entered, as JSON: null is what is not known before a player is loaded."""
    return json.dumps([facts(listed) for listed in list_players()], indent=2) + "\n"


def facts(listed: Listed) -> dict[str, Any]:
    """One line of the list as JSON-able values."""
    entry = listed.entry
    return {
        "kind": listed.kind.registry.kind,
        "name": entry.name,
        "origin": entry.origin,
        "release": entry.release,
        "version": entry.version,
        "class": class_path(entry),
        "preset": dict(entry.preset),
        "contested": listed.is_contested,
        **dataclasses.asdict(listed.description),
    }


def class_path(entry: Entry) -> str:
    """Where a player's class is: ``package.module:Class``."""
    target = entry.target
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"


def print_players(console: Console) -> None:
    """Prints everything that can be entered: what it is, what it can do, its parameters, and where it comes from."""
    everything = list_players()
    words = [word for x in everything for word in (x.entry.name, ", ".join(_telling(x.description)))]
    origins = [line for x in everything for line in _origin(x.entry)]
    widths = [min(max(map(len, words)), _WIDEST_NAME), min(max(map(len, origins)), max(16, console.width // 4))]
    widths.insert(1, max(20, console.width - sum(widths) - 2 * _GAP))
    for kind in KINDS:
        # Tables of their own, but with the same columns.
        table = Table(title=kind.heading, title_justify="left", title_style="bold underline", box=None)
        table.show_header, table.pad_edge, table.padding = False, False, (0, _GAP, 0, 0)
        for width in widths:
            table.add_column(width=width, overflow="fold")
        for listed in everything:
            if listed.kind is kind:
                table.add_row(_name(listed), _what(listed, width=widths[1]), Text("\n".join(_origin(listed.entry))))
        if table.row_count:
            console.print(table)
            console.print()
    shown = {word for listed in everything for word in _telling(listed.description)}
    for word, meaning in MEANINGS.items():
        if word in shown:
            console.print(f"{word}: {meaning}", markup=False, highlight=False, style="dim")
    console.print()
    console.print("Enter players: fakeoff run --generators NAME,NAME --detectors NAME", markup=False)
    console.print("All about one: fakeoff plugins show NAME", markup=False)


def _telling(description: Description) -> tuple[str, ...]:
    """The abilities that tell players apart; all of them are on a player's own page."""
    return tuple(word for word in description.abilities or () if word not in _USUAL)


def _name(listed: Listed) -> Text:
    text = Text(listed.entry.name, style="bold")
    abilities = ", ".join(_telling(listed.description))
    return text.append(f"\n{abilities}", style="not bold cyan") if abilities else text


def _what(listed: Listed, *, width: int) -> Text:
    description = listed.description
    lines = [Text(description.summary)] if description.summary else []
    if description.problem:
        lines.append(Text(description.problem, style="red"))
    elif description.parameters is None:
        hint = f"parameters: not known before it is loaded; see: fakeoff plugins show {shlex.quote(listed.entry.name)}"
        lines.append(Text(hint, style="dim"))
    else:
        fixed = "".join(f"; fixed: {key}={value!r}" for key, value in listed.entry.preset.items())
        room = _PARAMETER_LINES * width - _RAGGED - len(fixed)
        lines.append(Text(_short(description.parameters, room=room) + fixed, style="dim"))
    if listed.is_contested:
        hint = f"others claim this name too: uninstall one, or name this one by its class, {class_path(listed.entry)}"
        lines.append(Text(hint, style="red"))
    return Text("\n").join(lines)


def _short(parameters: Sequence[ParameterDescription], *, room: int) -> str:
    """Parameters with their defaults, as many as there is room for."""
    if not parameters:
        return "no parameters"
    words = [f"{p.name} (required)" if p.required else f"{p.name}={p.default}" for p in parameters]
    for count in range(len(words), 0, -1):
        rest = f" and {len(words) - count} more" if count < len(words) else ""
        text = ", ".join(words[:count]) + rest
        if len(text) <= room:
            return text
    return f"{len(words)} parameters"


def _origin(entry: Entry) -> tuple[str, ...]:
    origin = entry.origin
    if origin.endswith(".py"):
        here = Path.cwd()
        origin = str(Path(origin).relative_to(here)) if Path(origin).is_relative_to(here) else origin
    if isinstance(entry.version, int):
        return (f"{origin} {entry.release}".strip(), f"version {entry.version}")
    return (origin, f"text {entry.version[:8]}" if entry.version else entry.release)
