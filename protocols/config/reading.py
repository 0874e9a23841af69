"""A configuration put together: a file, or what a home was last played with, and options over it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomlkit
from pydantic import BaseModel
from tomlkit.container import Container
from tomlkit.items import Table

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.files import read_waiting
from fakeoff.arena.images.assets import sources_of_reals
from fakeoff.arena.images.folders import printable
from fakeoff.protocols.config.config import Parts, Player, Reals, TournamentConfig, parse_config

_WithParameters = TypeVar("_WithParameters", Player, Parts)

_PLAYERS = ("generators", "detectors")
_PLUGINS = "plugins"
_PATIENCE_SECONDS, _MOST_BYTES = 10.0, 1 << 24
_FINISHED = frozenset({".onnx", ".pt", ".pt2", ".ts"})
_TYPED, _FROM_PYTHON = "the command line", "the configuration"


def read_config(path: Path) -> dict[str, Any]:
    """Reads a TOML file, unchecked.

    Raises:
        ConfigError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(read_waiting(path, seconds=_PATIENCE_SECONDS, most_bytes=_MOST_BYTES).decode())
    except OSError as error:
        raise ConfigError(f"configuration '{path}' cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration '{path}' is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"configuration '{path}' is nested too deep to be one") from error


def effective_config(
    given: TournamentConfig | Mapping[str, Any] | Path | None,
    *,
    kept: Path,
    rounds: int | None = None,
    seed: int | None = None,
    generators: str | None = None,
    detectors: str | None = None,
    source: str | None = None,
    split_by: str | None = None,
    group: str | None = None,
    table: str | None = None,
    split_folders: str | None = None,
    skip_corrupt: bool | None = None,
    on_leak: str | None = None,
    protocol: str | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> TournamentConfig:
    """Puts a configuration together: what is given, or what the home was last played with; then options over it.

    Args:
        given: A TOML file, what stands in one, or a configuration; what it leaves out has its default.
        kept: The file with what was last played, if it is there; it counts where nothing is given.
        rounds: Over ``rounds``.
        seed: Over ``seed``.
        generators: Names separated by commas. A player that the file describes keeps its parameters. A folder of
            fakes, ``./fakes``, is the generator ``images`` of them.
        detectors: Likewise. A file of a finished one, ``mine.onnx``, is the detector ``fixed`` of it.
        source: Over ``reals.source``.
        split_by: Over ``reals.split_by``.
        group: Over ``reals.group``.
        table: Over ``reals.table``.
        split_folders: Over ``reals.split_folders``.
        skip_corrupt: Over ``reals.skip_corrupt``.
        on_leak: Over ``audit.on_leak``.
        protocol: Over ``protocol.plugin``; another protocol than before starts from its default parameters.
        device: Over ``compute.device``.
        settings: Over anything, each ``key.path=value``; see :func:`parse_settings`. A player's parameter goes by its
            name: ``generators.pgan.channels=3``.

    Raises:
        ConfigError: See :func:`parse_config`; or a path is no UTF-8.
    """
    base, where = _base(given, kept)
    reals = {
        "source": source,
        "split_by": split_by,
        "group": group,
        "table": table,
        "split_folders": split_folders,
        "skip_corrupt": skip_corrupt,
    }
    over: dict[str, Any] = {"rounds": rounds, "seed": seed, "reals": _given(reals)}
    over["audit"] = _given({"on_leak": on_leak})
    over["compute"] = _given({"device": device})
    described_protocol = base.get("protocol", {})
    if not isinstance(described_protocol, Mapping):
        described_protocol = {}
    if protocol is not None and protocol != described_protocol.get("plugin", "attack_defend"):
        base = {**base, "protocol": {"plugin": protocol}}
    for kind, names in (("generators", generators), ("detectors", detectors)):
        if names is not None:
            described = base.get(kind, [])
            over[kind] = [_player(name.strip(), described) for name in names.split(",") if name.strip()]
    set_ = parse_settings(settings)
    of_players = {kind: set_.pop(kind) for kind in _PLAYERS if isinstance(set_.get(kind), Mapping)}
    merged = merge(merge(base, _given(over)), set_)
    config = _parse_over(base, merged, where=where)
    if of_players:
        config = parse_config(config.model_dump() | _with_parameters(config, of_players), where=_TYPED)
    config = config.model_copy(
        update={
            "reals": _anchor_reals(config.reals),
            "generators": tuple(map(_anchor_weights, config.generators)),
            "detectors": tuple(map(_anchor_weights, config.detectors)),
            "parts": _anchor_weights(config.parts),
        }
    )
    _check_is_text(config.model_dump())
    return config


def _with_parameters(config: TournamentConfig, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The players of a configuration, with parameters over theirs.

    Args:
        config: What is there.
        given: Parameters by kind and name.

    Raises:
        ConfigError: There is no such player.
    """
    found = {}
    for kind, named in given.items():
        players: tuple[Player, ...] = getattr(config, kind)
        names = [player.name for player in players]
        for name, parameters in named.items():
            if name not in names or not isinstance(parameters, Mapping):
                meant = suggestion(name, names) or "."
                raise ConfigError(
                    f"--set {kind}.{name}: no parameter of a player of this game{meant} Write "
                    f"{kind}.NAME.PARAMETER=VALUE, with a NAME of: {', '.join(names)}"
                )
        found[kind] = [
            player.model_dump() | {"parameters": merge(player.parameters, named.get(player.name, {}))}
            for player in players
        ]
    return found


def _parse_over(base: Mapping[str, Any], merged: Mapping[str, Any], *, where: str) -> TournamentConfig:
    """Checks a configuration, and blames a file only for what stands in it."""
    try:
        return parse_config(merged, where=where)
    except ConfigError:
        parse_config(base, where=where)
        return parse_config(merged, where="the options" if where == _FROM_PYTHON else _TYPED)


def _base(given: TournamentConfig | Mapping[str, Any] | Path | None, kept: Path) -> tuple[dict[str, Any], str]:
    """What options go over, unchecked, and where it stands."""
    if isinstance(given, TournamentConfig):
        return given.model_dump(), _FROM_PYTHON
    if isinstance(given, Mapping):
        return _less_plugins(_as_in_a_file(given)), _FROM_PYTHON
    used = given if given is not None else kept if kept.is_file() else None
    return (_less_plugins(read_config(used)), str(used)) if used is not None else ({}, _TYPED)


def named_plugins(given: TournamentConfig | Mapping[str, Any] | Path | None) -> tuple[Path, ...]:
    """The plugin files that a configuration names with ``plugins = ["my_player.py"]``; nothing of them is run.

    Args:
        given: See :func:`effective_config`. In a file paths are relative to it.

    Raises:
        ConfigError: The file cannot be read, or it is no list of paths.
    """
    if isinstance(given, TournamentConfig) or given is None:
        return ()
    data, folder = (read_config(given), given.parent) if isinstance(given, Path) else (given, Path())
    where = str(given) if isinstance(given, Path) else _FROM_PYTHON
    named = data.get(_PLUGINS, [])
    if not isinstance(named, list | tuple) or not all(isinstance(one, str | os.PathLike) for one in named):
        raise ConfigError(f"{where}: '{_PLUGINS}' is a list of Python files, such as [\"my_player.py\"], not {named!r}")
    return tuple(folder / Path(one).expanduser() for one in named)


def _less_plugins(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is played does not depend on where the code lies: the hashes of the files are in the players' recipes."""
    return {key: value for key, value in data.items() if key != _PLUGINS}


def _as_in_a_file(value: Any) -> Any:
    """Writes paths, wherever they stand, as text."""
    if isinstance(value, Mapping):
        return {key: _as_in_a_file(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_a_file(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _check_is_text(value: Any) -> None:
    """Refuses a path that is no text wherever it stands: a configuration is kept as a file, which is.

    Raises:
        ConfigError: There is one.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            shown = printable(value)
            raise ConfigError(f"'{shown}' is no UTF-8, so that a configuration cannot keep it; rename it") from error
    elif isinstance(value, Mapping):
        for inner in value.values():
            _check_is_text(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_is_text(inner)


def _anchor_reals(reals: Reals) -> Reals:
    """Makes the paths of a folder of reals and of its table absolute."""
    paths = {"table": reals.table} if reals.table else {}
    if reals.source not in ("orl", *sources_of_reals()):
        paths["source"] = reals.source
    return reals.model_copy(update={key: str(Path(path).resolve()) for key, path in paths.items()})


def _anchor_weights(section: _WithParameters) -> _WithParameters:
    """Makes the path of a weights file absolute: a home may be played on from another folder."""
    weights = section.parameters.get("weights")
    if not isinstance(weights, str) or not Path(weights).is_file():
        return section
    return section.model_copy(update={"parameters": {**section.parameters, "weights": str(Path(weights).resolve())}})


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Reads settings as they are typed: ``attack.steps=50``, ``seed=3``, ``arena.colour=grey``.

    A value is TOML; what is not is taken as text, so that words need no quotes.

    Raises:
        ConfigError: One is not ``key=value``.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        try:
            if not equals:
                raise ValueError("there is no '='")
            path = list(tomllib.loads(f"{key} = 0"))  # the key alone must be one
            if not path:  # a comment
                raise ValueError("there is no key")
            try:
                fresh = tomllib.loads(f"{key} = {value}")
            except tomllib.TOMLDecodeError:
                fresh = tomllib.loads(f"{key} = {tomlkit.item(value).as_string()}")
            if list(fresh) != path:  # a line break smuggled in another key
                raise ValueError("it is more than one")
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"'{setting}' is no setting: {error}; write KEY=VALUE, such as attack.steps=50"
            ) from error
        found = merge(found, fresh)
    return found


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None and value != {}}


def _player(name: str, described: Any) -> dict[str, Any]:
    for player in described if isinstance(described, list) else []:
        if isinstance(player, dict) and name in (player.get("name"), player.get("plugin")):
            return player
    return _from_file(name) or {"plugin": name}


def _from_file(given: str) -> dict[str, Any] | None:
    """A player that is given as what it is made of: a finished detector's file, or a folder of fakes."""
    path = Path(given)
    name = re.sub(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_\-]", "_", path.stem or path.resolve().name)[:64]
    if path.suffix.lower() in _FINISHED:
        return {"plugin": "fixed", "name": name, "parameters": {"model": str(path.resolve())}}
    if os.sep in given and path.is_dir():
        return {"plugin": "images", "name": name, "parameters": {"folder": str(path.resolve())}}
    return None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lays one unchecked configuration over another, section by section; lists are replaced."""
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def print_config(config: TournamentConfig, *, plugins: Sequence[Path] = ()) -> str:
    """Returns a configuration as TOML, with what each field means beside it.

    Args:
        config: It.
        plugins: Files that its players come from; they are named where there are any.
    """
    document = tomlkit.document()
    if plugins:
        item = tomlkit.item([str(path.resolve()) for path in plugins])
        item.comment("files of players of your own; they are code, and run if you ran them before or say so")
        document.add(_PLUGINS, item)
    _fill(document, config)
    return tomlkit.dumps(document)


def _fill(table: Container | Table, section: BaseModel) -> None:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, dict):  # a player's parameters; TOML has no null
            value = {key: "" if inner is None else inner for key, inner in value.items()}
        if isinstance(value, BaseModel):
            inner = tomlkit.table()
            _fill(inner, value)
            table.add(name, inner)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            players = tomlkit.aot()
            for player in value:
                inner = tomlkit.table()
                _fill(inner, player)
                players.append(inner)
            table.add(name, players)
        else:
            item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
            if field.description:
                item.comment(field.description)
            table.add(name, item)
