"""Under which licences the photographs and weights of a tournament stand, as far as that is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from safetensors import SafetensorError, safe_open

from fakeoff import detectors, generators
from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.images.assets import ASSETS
from fakeoff.arena.players.specs import WEIGHTS, weights_folders
from fakeoff.protocols.config import Player, TournamentConfig
from fakeoff.protocols.record.versions import Kind

Material: TypeAlias = Literal["images", "weights"]
"""What a licence is about."""

ORL = "the ORL faces are for research; credit AT&T Laboratories Cambridge"
_ASSET = "asset:"
_NAMES_FILES = (WEIGHTS, "model", "probe", "folder")


@dataclass(frozen=True, kw_only=True)
class Licence:
    """What has to be known before something is passed on.

    Attributes:
        material: What it is about: photographs are in images, and in what was learnt from them.
        of: Of what: ``real photographs 'orl'``, ``weights of pgan``.
        licence: One line; where nobody knows, it says so.
    """

    material: tuple[Material, ...]
    of: str
    licence: str

    def __str__(self) -> str:
        return f"{self.of}: {self.licence}"


def licences_of(config: TournamentConfig, *, reals: str) -> tuple[Licence, ...]:
    """The licences of what is in the home of a tournament.

    Args:
        config: What was played.
        reals: The name of the source of its photographs.
    """
    photographs = f"real photographs '{reals}'"
    found = [Licence(material=("images", "weights"), of=photographs, licence=licence_of_reals(reals))]
    for kind, players in _sides(config):
        for player in players:
            began = [f"began as {one}" for one in licences_of_weights(player, kind=kind)]
            licence = "; ".join([*began, f"learnt here from {photographs}"])
            found.append(Licence(material=("weights",), of=f"weights of {player.name}", licence=licence))
            if kind == "generator":
                of = f"fakes of {player.name}"
                found.append(Licence(material=("images",), of=of, licence=f"made by weights that {licence}"))
    return tuple(found)


def licence_of_reals(source: str) -> str:
    """The licence of a source of photographs, by its name."""
    if source == "orl":
        return ORL
    if source in ASSETS:
        return ASSETS[source].licence
    return f"not known here: they came from a folder called '{source}'; ask whoever gave you the photographs"


def licences_of_weights(player: Player, *, kind: Kind) -> list[str]:
    """The licences of what a player's weights began as; nothing where it began from scratch.

    Args:
        player: Who.
        kind: ``generator`` or ``detector``.
    """
    if names := list(_files(player.parameters)):
        return [_of_file(name, player, kind) for name in names]
    return [_of_ours(shipped)] if (shipped := _shipped(player, kind)) else []


def _sides(config: TournamentConfig) -> tuple[tuple[Kind, tuple[Player, ...]], ...]:
    return ("generator", config.generators), ("detector", config.detectors)


def _of_ours(name: str) -> str:
    return f"Fakeoff's '{name}' (MIT), learnt from 'orl': {ORL}"


def _files(parameters: Mapping[str, Any]) -> Iterator[str]:
    """What parameters name: assets anywhere, files where players take them; of members, too."""
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _files(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for one in value:
                if isinstance(one, Mapping):
                    yield from _files(one)
        elif isinstance(value, str) and value and (value.startswith(_ASSET) or key in _NAMES_FILES):
            yield value


def _of_file(name: str, player: Player, kind: Kind) -> str:
    if name.startswith(_ASSET):
        asset = name.removeprefix(_ASSET).partition("/")[0]
        said = ASSETS[asset].licence if asset in ASSETS else "not known here"
        return f"asset '{asset}': {said}"
    if any((folder / f"{name}.safetensors").is_file() for folder in _folders(player, kind)):
        return _of_ours(name)
    return f"'{Path(name).name}': {_said_in(Path(name)) or 'not known here; ask whoever gave you the file'}"


def _said_in(path: Path) -> str:
    """What a ``.safetensors`` says of its licence."""
    with contextlib.suppress(OSError, SafetensorError, ValueError), safe_open(path, "np") as file:
        metadata = file.metadata() or {}
        return " ".join(str(metadata.get("licence") or metadata.get("license") or "").split())
    return ""


def _shipped(player: Player, kind: Kind) -> str:
    """The weights that a player begins with where nobody names any."""
    if WEIGHTS in player.parameters:
        return ""  # it says: none
    registry: Any = generators.players if kind == "generator" else detectors.players
    with contextlib.suppress(FakeoffError):
        for parameter in registry.parameters(player.plugin):
            if parameter.name == WEIGHTS and isinstance(parameter.default, str):
                return parameter.default
    return ""


def _folders(player: Player, kind: Kind) -> tuple[Path, ...]:
    registry: Any = generators.players if kind == "generator" else detectors.players
    with contextlib.suppress(FakeoffError):
        return weights_folders(registry.load(player.plugin))
    return ()


__all__ = ["ORL", "Licence", "Material", "licence_of_reals", "licences_of", "licences_of_weights"]
