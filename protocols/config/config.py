"""The configuration of a tournament: typed, every field with a unit and a default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from tomlkit.container import Container
from tomlkit.items import Table

from fakeoff.arena.errors import ConfigError, suggestion
from fakeoff.arena.images.assets import sources_of_reals

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Player(_Section):
    """Who plays."""

    plugin: Annotated[str, Field(description="the registered name (see: fakeoff plugins), or package.module:Class")]
    name: Annotated[str, Field(description="what it is called here; the plugin's name by default", pattern=_NAME)] = ""
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of its constructor")] = {}

    def __init__(self, /, **data: Any) -> None:
        # A class path's last part is its class.
        super().__init__(**{**data, "name": data.get("name") or str(data.get("plugin", "")).rpartition(":")[2]})


class Reals(_Section):
    """Where real photographs come from."""

    source: Annotated[
        str, Field(description="'orl' (embedded), 'celeba-999' (see: fakeoff assets list) or a folder of images")
    ] = "orl"
    split_by: Annotated[
        Literal["folder", "file"], Field(description="what train, val and test never share: a 'folder' or a 'file'")
    ] = "folder"
    skip_corrupt: Annotated[bool, Field(description="leave damaged images out instead of refusing the folder")] = False


class Arena(_Section):
    """What detectors see."""

    resolution: Annotated[int, Field(description="pixels a side", ge=16, le=1024)] = 64
    colour: Annotated[
        Literal["auto", "grey", "rgb"], Field(description="'auto' is grey where every real photograph is")
    ] = "auto"


class Pools(_Section):
    """How many fakes each generator version shows; the reals are all there are."""

    train_fakes: Annotated[int, Field(description="images, for defence", ge=16)] = 560
    val_fakes: Annotated[int, Field(description="images, for early stopping and the threshold", ge=8)] = 80
    test_fakes: Annotated[int, Field(description="images, for the score", ge=8)] = 160


class Attack(_Section):
    """How generators are finetuned against a frozen detector (Eq. 4)."""

    target: Annotated[
        str, Field(description="'champion' (of the last round: the best on val), 'all', or a detector's name")
    ] = "champion"
    weight: Annotated[
        float, Field(description="of the evasion loss beside the generator's own loss", ge=0, allow_inf_nan=False)
    ] = 0.2
    steps: Annotated[int, Field(description="generator steps", ge=1)] = 100
    batch: Annotated[int, Field(description="images a step", ge=2)] = 16
    rate: Annotated[
        float, Field(description="learning rate; 0 is each generator's own for attacks", ge=0, allow_inf_nan=False)
    ] = 0.0
    until: Annotated[
        float,
        Field(description="an attack ends when this share of fakes of its own passes as real; 1 is never", gt=0, le=1),
    ] = 0.9
    look_every: Annotated[int, Field(description="steps between looks at how many pass", ge=1)] = 10

    @model_validator(mode="before")
    @classmethod
    def _one_rate(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and {"generator_lr", "critic_lr"} & data.keys():
            raise ValueError("'generator_lr' and 'critic_lr' are one setting, 'rate', since 0.5")
        return data


class Defend(_Section):
    """How new detectors are trained."""

    history: Annotated[
        Literal["all", "latest"], Field(description="on the fakes of 'all' rounds so far, or of the 'latest'")
    ] = "all"
    steps: Annotated[int, Field(description="steps at most", ge=1)] = 600
    batch: Annotated[int, Field(description="images a step, half of them real", ge=4, multiple_of=2)] = 32
    rate: Annotated[float, Field(description="learning rate; 0 is each detector's own", ge=0, allow_inf_nan=False)] = (
        0.0
    )
    check_every: Annotated[int, Field(description="steps between looks at val", ge=1)] = 30
    patience: Annotated[int, Field(description="looks without a better val accuracy before stopping", ge=1)] = 11
    perfect: Annotated[
        Literal["images", "patches"],
        Field(description="training stops at once when all 'images' of val are judged rightly, or all their 'patches'"),
    ] = "images"


class Score(_Section):
    """How sure the figures are."""

    resamples: Annotated[int, Field(description="bootstrap resamples of the test images", ge=100)] = 1000
    confidence: Annotated[float, Field(description="of the intervals, as a share", gt=0.5, lt=1)] = 0.95
    scored_again: Annotated[
        int,
        Field(description="images of each match, scored again in another order, alone and in a fresh process", ge=0),
    ] = 16


class PlayedProtocol(_Section):
    """What is played."""

    plugin: Annotated[
        str, Field(description="'attack_defend', 'pretrain', another of: fakeoff plugins, or package.module:Class")
    ] = "attack_defend"
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of its constructor")] = {}


class Parts(_Section):
    """Where in the face the fight is."""

    parser: Annotated[str, Field(description="who labels the parts of the face; '' leaves out parts and heatmaps")] = (
        "face_unet"
    )
    random_patches: Annotated[
        int, Field(description="patches drawn from each image for comparison with the most predictive one", ge=1)
    ] = 16
    parameters: Annotated[dict[str, Any], Field(description="keyword arguments of the parser's constructor")] = {}


class Audit(_Section):
    """Whether reals and fakes could be told apart by their format alone."""

    on_leak: Annotated[
        Literal["refuse", "report", "skip"],
        Field(description="'refuse' to play, 'report' it and play on, or 'skip' the audit"),
    ] = "refuse"


LIMITS = ("job_seconds", "job_gigabytes", "job_gpus")
"""What a job may take, by its names under ``compute``: it decides no figure, and may change from run to run."""


class Compute(_Section):
    """How jobs are computed. Device, precision and threads are part of their identity: they decide how sums round."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Field(description="'cuda' is an NVIDIA GPU; 'auto' takes one where there is one"),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "bfloat16", "float32"],
        Field(description="of training; 'auto' is what is measured to be faster; scoring is float32"),
    ] = "auto"
    attack_threads: Annotated[int, Field(description="threads of an attack", ge=1)] = 2
    defend_threads: Annotated[int, Field(description="threads of a detector's training", ge=1)] = 1
    job_seconds: Annotated[
        float,
        Field(
            description="of CPU time a job may compute; its player forfeits then; 0 is no limit",
            ge=0,
            allow_inf_nan=False,
        ),
    ] = 3600.0
    job_gigabytes: Annotated[
        float,
        Field(description="of memory a job may take; 0 is its share of the machine's", ge=0, allow_inf_nan=False),
    ] = 0.0
    job_gpus: Annotated[
        float, Field(description="share of a GPU that a job on it takes: at 0.25, four jobs share one", gt=0, le=1)
    ] = 0.25


class TournamentConfig(_Section):
    """A tournament."""

    rounds: Annotated[int, Field(description="attack-defend rounds after round 0", ge=0, le=1000)] = 2
    seed: Annotated[int, Field(description="of everything random", ge=0)] = 0
    protocol: PlayedProtocol = PlayedProtocol()
    generators: Annotated[tuple[Player, ...], Field(min_length=1)] = (Player(plugin="pgan"),)
    detectors: Annotated[tuple[Player, ...], Field(min_length=1)] = (
        Player(plugin="xception_block1"),
        Player(plugin="resnet18_layer1"),
    )
    reals: Reals = Reals()
    arena: Arena = Arena()
    pools: Pools = Pools()
    attack: Attack = Attack()
    defend: Defend = Defend()
    score: Score = Score()
    parts: Parts = Parts()
    audit: Audit = Audit()
    compute: Compute = Compute()

    @field_validator("generators", "detectors")
    @classmethod
    def _names_differ(cls, players: tuple[Player, ...]) -> tuple[Player, ...]:
        names = [player.name for player in players]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two players are called '{name}'; give one of them a 'name' of its own")
        return players


_WithParameters = TypeVar("_WithParameters", Player, Parts)


def parse_config(data: Mapping[str, Any], *, where: str) -> TournamentConfig:
    """Checks a configuration.

    Args:
        data: As read from TOML.
        where: Its file, for messages.

    Raises:
        ConfigError: With the first thing that is wrong, where it is, and what may be meant.
    """
    try:
        return TournamentConfig(**data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from error


def read_config(path: Path) -> dict[str, Any]:
    """Reads a TOML file, unchecked.

    Raises:
        ConfigError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration '{path}' is not TOML: {error}") from error


def effective_config(
    given: TournamentConfig | Mapping[str, Any] | Path | None,
    *,
    home: Path,
    rounds: int | None = None,
    seed: int | None = None,
    generators: str | None = None,
    detectors: str | None = None,
    source: str | None = None,
    split_by: str | None = None,
    skip_corrupt: bool | None = None,
    on_leak: str | None = None,
    protocol: str | None = None,
    device: str | None = None,
    settings: Sequence[str] = (),
) -> TournamentConfig:
    """Puts a configuration together: what is given, or what the home was last played with; then options over it.

    Args:
        given: A TOML file, what stands in one, or a configuration; what it leaves out has its default.
        home: Where ``config.toml`` of the last tournament lies, if any.
        rounds: Over ``rounds``.
        seed: Over ``seed``.
        generators: Names separated by commas. A player that the file describes keeps its parameters.
        detectors: Likewise.
        source: Over ``reals.source``.
        split_by: Over ``reals.split_by``.
        skip_corrupt: Over ``reals.skip_corrupt``.
        on_leak: Over ``audit.on_leak``.
        protocol: Over ``protocol.plugin``; another protocol than before starts from its default parameters.
        device: Over ``compute.device``.
        settings: Over anything, each ``key.path=value``; see :func:`parse_settings`.

    Raises:
        ConfigError: See :func:`parse_config`.
    """
    base, where = _base(given, home)
    reals = {"source": source, "split_by": split_by, "skip_corrupt": skip_corrupt}
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
    merged = merge(merge(base, _given(over)), parse_settings(settings))
    config = parse_config(merged, where=where)
    if config.reals.source not in ("orl", *sources_of_reals()):
        resolved = config.reals.model_copy(update={"source": str(Path(config.reals.source).resolve())})
        config = config.model_copy(update={"reals": resolved})
    return config.model_copy(
        update={
            "generators": tuple(map(_anchor_weights, config.generators)),
            "detectors": tuple(map(_anchor_weights, config.detectors)),
            "parts": _anchor_weights(config.parts),
        }
    )


def _base(given: TournamentConfig | Mapping[str, Any] | Path | None, home: Path) -> tuple[dict[str, Any], str]:
    """What options go over, unchecked, and where it stands."""
    if isinstance(given, TournamentConfig):
        return given.model_dump(), "the configuration"
    if isinstance(given, Mapping):
        return _as_in_a_file(given), "the configuration"
    kept = home / "config.toml"
    used = given if given is not None else kept if kept.is_file() else None
    return (read_config(used), str(used)) if used is not None else ({}, "the command line")


def _as_in_a_file(value: Any) -> Any:
    """Writes paths, wherever they stand, as text."""
    if isinstance(value, Mapping):
        return {key: _as_in_a_file(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_a_file(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


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
            try:
                fresh = tomllib.loads(f"{key} = {value}")
            except tomllib.TOMLDecodeError:
                fresh = tomllib.loads(f"{key} = {tomlkit.item(value).as_string()}")
            if list(fresh) != path:  # a line break smuggled in another key
                raise ValueError("it is more than one")
        except (ValueError, tomllib.TOMLDecodeError) as error:
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
    return {"plugin": name}


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lays one unchecked configuration over another, section by section; lists are replaced."""
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def print_config(config: TournamentConfig) -> str:
    """Returns a configuration as TOML, with what each field means beside it."""
    document = tomlkit.document()
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
        elif isinstance(value, tuple):
            players = tomlkit.aot()
            for player in value:
                inner = tomlkit.table()
                _fill(inner, player)
                players.append(inner)
            table.add(name, players)
        else:
            item = tomlkit.item(value)
            if field.description:
                item.comment(field.description)
            table.add(name, item)


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    location = list(first["loc"])
    path = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        return (
            f"unknown key '{path}'{suggestion(str(location[-1]), known)} "
            f"Known here: {', '.join(known)}. See: fakeoff run --print-config"
        )
    message = first["msg"].removeprefix("Value error, ")
    return f"'{path}': {message}, not {first['input']!r}" if first["type"] != "value_error" else f"'{path}': {message}"


def _fields_at(location: list[Any]) -> list[str]:
    model: Any = TournamentConfig
    for part in location:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = next((a for a in get_args(annotation) if isinstance(a, type)), annotation)
    return list(model.model_fields)
