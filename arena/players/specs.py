"""Recipes: what travels to workers and goes into job keys, in place of models."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from fakeoff.arena.errors import AssetError, PluginError, one_line
from fakeoff.arena.files import open_file, read_file
from fakeoff.arena.images.folders import walk
from fakeoff.arena.players.asset_weights import find_asset_weights
from fakeoff.arena.players.checkpoints import NoTensors, Unreadable, check_file, read_checkpoint
from fakeoff.arena.players.entries import Entry
from fakeoff.arena.players.misfit import describe_misfit
from fakeoff.arena.players.provisions import Provision
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.seeds import canonical_json

WEIGHTS = "weights"
"""The parameter that names a player's pretrained weights, where it has one."""

_ASSET = "asset:"


@dataclass(frozen=True)
class NamesFolder:
    """Marks a parameter that names a folder of images: their content, not the path, is part of the recipe."""


@dataclass(frozen=True)
class NamesFile:
    """Marks a parameter that names a file, or one in an asset: its content, not the name, is part of the recipe."""


@dataclass(frozen=True)
class NamesPlayers:
    """Marks a parameter that names other players of the same kind: their recipes are part of this one."""


@dataclass(frozen=True)
class AddedLater:
    """Marks a parameter that players which ship had not always, and whose default is what they did before.

    At its default it is left out of the recipe, so that results of before are read and not computed again.
    """


Folder: TypeAlias = Annotated[str, NamesFolder()]
"""The path of a folder of images; empty where what was in it comes with the state."""

File: TypeAlias = Annotated[str, NamesFile()]
"""The path of a file, ``asset:NAME`` or ``asset:NAME/MEMBER``; empty where what was in it comes with the state."""

Members: TypeAlias = Annotated[tuple[str | dict[str, Any], ...], NamesPlayers()]
"""Other players: names, or tables with ``plugin`` and ``parameters``."""

Member: TypeAlias = Annotated[str | dict[str, Any], NamesPlayers()]
"""Another player: a name, or a table with ``plugin`` and ``parameters``."""


class Identity(TypedDict):
    """What a job knows a player by; JSON-able. Neither names nor paths, so that results are shared between tournaments.

    Attributes:
        plugin: The registered name.
        parameters: Keyword arguments of its constructor, defaults included, less what :meth:`PlayerSpec.places` tells
            and defaults of what was :class:`AddedLater`.
        fingerprint: What decides its behaviour besides the parameters: its code's version, the hash of its weights.
    """

    plugin: str
    parameters: dict[str, Any]
    fingerprint: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlayerSpec:
    """A player's recipe.

    Attributes:
        name: What the player is called in this tournament.
        plugin: The registered name.
        parameters: All keyword arguments of its constructor, defaults included but for those of what was
            :class:`AddedLater`.
        fingerprint: What decides the player's behaviour besides the parameters: its code's version and the
            hash of its weights.
        weights: Where its pretrained weights lie, where it has any.
        provision: What a worker needs to build it, unless it ships with Fakeoff.
        files: Folders and files that its parameters name, by parameter: where they lie on the driver's machine.
        members: The recipes of the players that its parameters name.
        only_in: Where its class is defined, for people, if no other process will find it there; else empty.
    """

    name: str
    plugin: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    provision: Provision | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    members: tuple[PlayerSpec, ...] = ()
    only_in: str = ""

    @property
    def provisions(self) -> tuple[Provision, ...]:
        """What a worker needs to build it and the players that it is made of."""
        own = () if self.provision is None else (self.provision,)
        return (*own, *(provision for member in self.members for provision in member.provisions))

    def places(self) -> dict[str, Any]:
        """What a job that builds it for the first time is told of this machine: paths; nothing where there are none."""
        members = [str(member.weights) if member.weights else None for member in self.members]
        return {
            "weights": str(self.weights) if self.weights else None,
            "files": dict(self.files),
            "members": members if any(members) else [],
        }

    def identity(self) -> Identity:
        """What goes into job keys."""
        parameters = {key: value for key, value in self.parameters.items() if key != WEIGHTS}
        return {"plugin": self.plugin, "parameters": parameters, "fingerprint": dict(self.fingerprint)}


def write_spec(
    registry: Registry[Any], *, name: str, plugin: str, parameters: Mapping[str, Any], stored: bool = False
) -> PlayerSpec:
    """Checks a recipe and completes it with defaults and fingerprint.

    Args:
        registry: The players of that kind.
        name: What the player is called in this tournament.
        plugin: The registered name.
        parameters: As the user gave them.
        stored: Whether it will be given a state that was stored: what it came with need not be here, and is left out of
            the recipe where it is not.

    Raises:
        AssetError: The weights are those of an asset that is not here.
        PluginError: Unknown plugin or parameter, or no such weights.
    """
    complete = registry.complete(plugin, parameters)
    fingerprint = registry.fingerprint(plugin)
    files, members = _named(registry, plugin, complete, fingerprint, stored=stored)
    weights: Path | None = None
    if complete.get(WEIGHTS) in (None, ""):  # TOML has no null
        complete.pop(WEIGHTS, None)
    else:
        with _need_not_be_here(stored):
            path = find_weights(str(complete[WEIGHTS]), registry.load(plugin), called=f"{registry.kind} '{plugin}'")
            try:
                check_file(path)
            except Unreadable as error:
                raise PluginError(
                    f"{registry.kind} '{plugin}': the weights '{path}' cannot be read: {error}"
                ) from error
            fingerprint["weights"] = hashlib.sha256(read_file(path)).hexdigest()
            weights = path.resolve()
    spec = PlayerSpec(
        name=name,
        plugin=plugin,
        parameters=complete,
        fingerprint=fingerprint,
        weights=weights,
        provision=registry.provision(plugin),
        files=files,
        members=members,
        only_in=_only_in(registry.entry(plugin)),
    )
    try:
        canonical_json(spec.identity())
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{registry.kind} '{plugin}': its parameters are no plain values: {one_line(error)}; let __init__ take "
            "text, numbers, lists or tables of them, and make the object there"
        ) from error
    return spec


def _only_in(entry: Entry) -> str:
    """Where a class registered itself, if that was neither in a plugin file nor under a name that can be imported."""
    if isinstance(entry.target, str) or entry.file is not None:
        return ""
    if entry.origin != "__main__":
        return f"the module '{entry.origin}'"
    script = getattr(sys.modules["__main__"], "__file__", None)
    return f"the script '{Path(script).name}'" if script else "a cell of a notebook"


def _named(
    registry: Registry[Any], plugin: str, complete: dict[str, Any], fingerprint: dict[str, Any], *, stored: bool
) -> tuple[dict[str, str], tuple[PlayerSpec, ...]]:
    """Puts what parameters name in the place of the names: contents of folders and files, recipes of players; and
    leaves out what goes without saying."""
    files: dict[str, str] = {}
    members: list[PlayerSpec] = []
    for parameter in registry.parameters(plugin):
        marks = getattr(parameter.annotation, "__metadata__", ())
        key = parameter.name
        if any(isinstance(mark, NamesFolder) for mark in marks):
            path = Path(str(complete.pop(key) or ""))
            if str(path) != ".":
                with _need_not_be_here(stored):
                    fingerprint[key] = _folder_hash(registry, plugin, key, path)
                    files[key] = str(path.resolve())
        elif any(isinstance(mark, AddedLater) for mark in marks):
            if complete[key] == parameter.default:
                del complete[key]
        elif any(isinstance(mark, NamesFile) for mark in marks):
            if name := str(complete.pop(key) or ""):
                with _need_not_be_here(stored):
                    path = _find_file(registry, plugin, key, name)
                    with open_file(path) as file:
                        fingerprint[key] = hashlib.file_digest(file, "sha256").hexdigest()
                    files[key] = str(path.resolve())
        elif any(isinstance(mark, NamesPlayers) for mark in marks):
            alone = isinstance(complete[key], str | Mapping)
            given = [complete[key]] if alone else complete[key]
            named: list[dict[str, Any]] = [{"plugin": one} if isinstance(one, str) else dict(one) for one in given]
            for one in named:
                if not isinstance(one.get("plugin"), str) or one.keys() - {"plugin", "parameters", "fingerprint"}:
                    raise PluginError(
                        f"{registry.kind} '{plugin}': {'' if alone else 'each of '}'{key}' is a name, or a table with "
                        f"'plugin' and 'parameters', not {one!r}"
                    )
            mine = [
                write_spec(
                    registry,
                    name=one["plugin"],
                    plugin=one["plugin"],
                    parameters=one.get("parameters", {}),
                    stored=stored,
                )
                for one in named
            ]
            members += mine
            identities = [member.identity() for member in mine]
            complete[key] = identities[0] if alone else identities
    return files, tuple(members)


@contextlib.contextmanager
def _need_not_be_here(stored: bool) -> Iterator[None]:
    try:
        yield
    except (AssetError, PluginError):
        if not stored:
            raise


def _find_file(registry: Registry[Any], plugin: str, key: str, name: str) -> Path:
    if name.startswith(_ASSET):
        asset, _, member = name.removeprefix(_ASSET).partition("/")
        return find_asset_weights(asset, member=member)
    path = Path(name)
    if not path.is_file():
        raise PluginError(f"{registry.kind} '{plugin}': {key} = '{path}' is no file; give a path, or asset:NAME")
    return path


def _folder_hash(registry: Registry[Any], plugin: str, key: str, path: Path) -> str:
    if not path.is_dir():
        raise PluginError(f"{registry.kind} '{plugin}': {key} = '{path}' is no folder")
    sha256 = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.is_symlink():
            _add_file(sha256, file.relative_to(path).as_posix(), file)
    for entry in walk(path):  # what links lead to is shown, too
        if entry.linked and not entry.reason:
            _add_file(sha256, entry.name, Path(entry.path))
    return sha256.hexdigest()


def _add_file(sha256: hashlib._Hash, name: str, file: Path) -> None:
    text = f"{name}:{hashlib.sha256(read_file(file)).hexdigest()}\n"
    sha256.update(text.encode(errors="surrogateescape"))


def find_weights(name: str, player: type, *, called: str = "") -> Path:
    """Finds weights: a file that ships with a player, an asset, or any other file.

    Args:
        name: Of a ``.safetensors`` file in a folder ``weights`` beside the player's module or that of a class that it
            derives from; ``asset:NAME`` for those of an asset; or a path.
        player: The class.
        called: What users call it; its class's name by default.

    Raises:
        AssetError: The asset is unknown, not pulled yet, or damaged.
        PluginError: There are none.
    """
    if name.startswith(_ASSET):
        return find_asset_weights(name.removeprefix(_ASSET))
    folders = weights_folders(player)
    for path in (*(folder / f"{name}.safetensors" for folder in folders), Path(name)):
        if path.is_file():
            return path
    ships = ", ".join(sorted(path.stem for folder in folders for path in folder.glob("*.safetensors"))) or "none"
    raise PluginError(
        f"{called or player.__name__} has no weights '{name}': give a .safetensors, .pt, .pth or .pkl file, "
        f"asset:NAME, or what ships with it ({ships})"
    )


def weights_folders(player: type) -> tuple[Path, ...]:
    """The folders where weights that ship with a player may lie: ``weights`` beside its class and the classes above."""
    folders: dict[Path, None] = {}
    for known in player.__mro__:
        if known.__module__.startswith("fakeoff.") and known.__module__.endswith(".interface"):
            continue  # weights of the players that ship lie beside their interface
        with contextlib.suppress(TypeError, OSError):  # built into the interpreter, or typed in by hand
            folders[Path(inspect.getfile(known)).parent / "weights"] = None
    return tuple(folders)


def load_weights(player: nn.Module, path: Path, *, called: str = "") -> None:
    """Loads a checkpoint into a player: safetensors, or a pickle, of which nothing is run.

    What the file says beside its tensors is in the metadata that hooks of ``load_state_dict`` are shown
    (:data:`~fakeoff.arena.players.checkpoints.FACTS`).

    Args:
        player: Into which.
        path: Of the file.
        called: What users call the player; its class's name by default.

    Raises:
        PluginError: Not such a file, or it does not fit the player.
    """
    whose = called or type(player).__name__
    try:
        checkpoint = read_checkpoint(path)
    except NoTensors as error:
        raise PluginError(f"the weights '{path.name}' do not fit {whose}: {error}") from error
    except Unreadable as error:
        raise PluginError(f"the weights '{path.name}' cannot be read: {error}") from error
    # Who saved {"netG": ..., "netD": ...} of a class with a netG and a netD has saved all of it.
    state = checkpoint.flat() if checkpoint.tensors.keys() == player.state_dict().keys() else checkpoint.state_dict()
    try:
        player.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise PluginError(f"the weights '{path.name}' do not fit {whose}: {describe_misfit(error)}") from error


def state_arrays(player: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Copies a player's state dict to numpy."""
    return {name: value.detach().cpu().contiguous().numpy().copy() for name, value in player.state_dict().items()}


def load_arrays(player: nn.Module, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Loads what :func:`state_arrays` returned; the arrays may be read-only and are copied."""
    player.load_state_dict({name: torch.from_numpy(np.array(value, copy=True)) for name, value in arrays.items()})


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """The sha256 of a state dict's names, shapes and bytes."""
    sha256 = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        sha256.update(f"{name}:{value.dtype}:{tuple(value.shape)}".encode())
        if value.numel():  # what has no values, and came from numpy, has strides of 0, which cannot be viewed as bytes
            sha256.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()
