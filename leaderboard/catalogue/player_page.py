"""All about one player, for ``fakeoff plugins show``: what it is, its parameters, how to enter it."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.errors import PluginError, suggestion
from fakeoff.arena.players.specs import WEIGHTS, weights_folders
from fakeoff.arena.players.static.describe import Description, describe_class
from fakeoff.detectors import ReceptiveField
from fakeoff.leaderboard.catalogue.listing import KINDS, MEANINGS, Kind, Listed, class_path, facts


@dataclass(frozen=True, kw_only=True)
class Page:
    """What there is to say of a player that is loaded.

    Attributes:
        listed: What the list says of it, now from its class.
        source: Its file, and the line where its class begins, ``FILE:LINE``; empty where there is none.
        code: The sha256 of its package's code; empty for those that ship and for plugin files.
        weights: The names of weights that lie beside it.
        receptive_field: Of a patch detector whose class says it.
    """

    listed: Listed
    source: str
    code: str
    weights: tuple[str, ...]
    receptive_field: ReceptiveField | None


def print_player(console: Console, name: str) -> None:
    """Loads a player and prints all about it; all of them where several kinds have one of that name.

    Args:
        console: Where to.
        name: As it is registered, or its class path.

    Raises:
        PluginError: Unknown, contested, or it does not load.
    """
    for index, page in enumerate(find_players(name)):
        if index:
            console.print()
        _print(page, console)


def player_text(name: str) -> str:
    """All about a player as JSON; a list, since several kinds may have one of that name. Errors: as above."""
    return json.dumps([_page_facts(page) for page in find_players(name)], indent=2) + "\n"


def find_players(name: str) -> tuple[Page, ...]:
    """Loads the players of a name, of every kind.

    Raises:
        PluginError: Unknown, contested, or one does not load.
    """
    kinds = [kind for kind in KINDS if name in kind.registry]
    if not kinds and ":" in name:
        return (_by_class_path(name),)
    if not kinds:
        known = [entry.name for kind in KINDS for entry in kind.registry]
        raise PluginError(f"nothing is called '{name}'{suggestion(name, known) or '.'} See: fakeoff plugins")
    for kind in kinds:
        if name.partition(":")[0] in {family.prefix for family in kind.registry.families}:
            kind.registry.complete(name, {})  # whether there is such a one is the class's to know
    return tuple(_page(kind, name) for kind in kinds)


def _by_class_path(path: str) -> Page:
    failures = []
    for kind in KINDS:
        try:
            return _page(kind, path)
        except PluginError as failure:
            failures.append(failure)
    module, _, name = path.partition(":")
    if not isinstance(getattr(sys.modules.get(module), name, None), type):
        raise failures[0]
    wanted = ", ".join(f"{kind.interface.__module__.rpartition('.')[0]}.{kind.interface.__name__}" for kind in KINDS)
    raise PluginError(f"'{path}' is no plugin: the class must derive from one of {wanted}")


def _page(kind: Kind, name: str) -> Page:
    entry = kind.registry.entry(name)
    player = kind.registry.load(name)
    package = kind.registry.package(name)
    description = describe_class(player, preset=entry.preset, capabilities=kind.capabilities)
    field = inspect.getattr_static(player, "receptive_field", None)
    return Page(
        listed=Listed(kind=kind, entry=entry, description=description),
        source=_source(player),
        code=package.code if package else "",
        weights=_weights(player, kind.interface) if _takes_weights(description) else (),
        receptive_field=field if isinstance(field, ReceptiveField) else None,
    )


def _takes_weights(description: Description) -> bool:
    return WEIGHTS in {parameter.name for parameter in description.parameters or ()}


def _weights(player: type, interface: type) -> tuple[str, ...]:
    """What lies beside the player and what it inherits; what lies beside the interface is other players'."""
    own, *inherited = weights_folders(player)
    others = weights_folders(interface)
    folders = [own, *(folder for folder in inherited if folder not in others)]
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.safetensors")}))


def _source(player: type) -> str:
    try:
        file = inspect.getsourcefile(player) or ""
        return f"{file}:{inspect.getsourcelines(player)[1]}" if file else ""
    except (TypeError, OSError):
        return ""


def _page_facts(page: Page) -> dict[str, Any]:
    field = page.receptive_field
    return {
        **facts(page.listed),
        "source": page.source,
        "code": page.code,
        "weights": list(page.weights),
        "receptive_field": field and {"size": field.size, "stride": field.stride, "offset": field.offset},
    }


def _print(page: Page, console: Console) -> None:
    entry, description, kind = page.listed.entry, page.listed.description, page.listed.kind
    title = Text(entry.name, style="bold").append(f", a {kind.registry.kind}", style="not bold")
    console.print(title, soft_wrap=True)
    if description.summary:
        console.print(description.summary, markup=False, highlight=False)
    console.print()
    console.print(_card(page))
    console.print()
    if description.parameters is None:
        console.print("Its constructor does not say which parameters it takes.")
    elif not description.parameters:
        console.print("It takes no parameters.")
    else:
        console.print(_parameters(page))
    console.print()
    for line in _what_next(page):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _card(page: Page) -> Table:
    entry, field = page.listed.entry, page.receptive_field
    card = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    card.add_column(style="dim", no_wrap=True)
    card.add_column(overflow="fold")
    card.add_row("from", Text(f"{entry.origin} {entry.release}".strip()))
    card.add_row("class", Text(class_path(entry)))
    if page.source:
        card.add_row("source", Text(page.source))
    if page.code:
        card.add_row("version", Text(f"code {page.code}"))
    else:
        card.add_row("version", Text(f"text {entry.version}" if isinstance(entry.version, str) else str(entry.version)))
    abilities = page.listed.description.abilities or ()
    words = [f"{word}: {MEANINGS[word]}" if word in MEANINGS else word for word in abilities]
    if words:
        card.add_row("can do", Text("\n".join(words)))
    if field:
        card.add_row("receptive field", Text(f"{field.size} px, stride {field.stride}, offset {field.offset}"))
    if page.weights:
        card.add_row("weights that ship", Text(", ".join(page.weights)))
    if entry.preset:
        card.add_row("fixed", Text(", ".join(f"{key}={value!r}" for key, value in entry.preset.items())))
    return card


def _parameters(page: Page) -> Table:
    table = Table(title="Parameters", title_justify="left", title_style="bold")
    table.add_column("name", no_wrap=True)
    for heading in ("type", "default", "what it means"):
        table.add_column(heading, overflow="fold")
    for p in page.listed.description.parameters or ():
        default = Text("required", style="red") if p.required else Text(p.default)
        table.add_row(p.name, Text(p.type), default, Text(p.doc.replace("``", "")))
    return table


def _needed(page: Page) -> list[str]:
    """The parameters without which it cannot be entered."""
    parameters = page.listed.description.parameters or ()
    needed = [parameter.name for parameter in parameters if parameter.required]
    try:
        page.listed.kind.registry.complete(page.listed.entry.name, {})
    except PluginError:  # what its class asks for, of what has a default: a file, or a folder
        needed += [one.name for one in parameters if (one.type, one.default) == ("str", "''")][:1]
    return needed


def _what_next(page: Page) -> list[str]:
    entry, enter = page.listed.entry, page.listed.kind.enter
    name = entry.name
    file = f" --plugin {shlex.quote(entry.origin)}" if entry.origin.endswith(".py") else ""
    enter = enter.replace("NAME", shlex.quote(name)).replace("fakeoff run", f"fakeoff run{file}")
    kind = page.listed.kind.registry.kind
    if kind in ("generator", "detector"):
        enter += "".join(f" --set {kind}s.{shlex.quote(name)}.{one}=..." for one in _needed(page))
    is_shared = sum(name in kind.registry for kind in KINDS) > 1
    which = f" --kind {page.listed.kind.registry.kind}" if is_shared else ""
    check = f"Check it: fakeoff plugins check{file} {shlex.quote(name)}{which}"
    return [f"Enter it: {enter}", *([check] if page.listed.kind.has_contract else [])]
