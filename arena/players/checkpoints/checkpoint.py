"""Checkpoints as what players load: tensors by name, and plain facts beside them.

A ``.safetensors`` file is read by its library. Everything else is a pickle in some form, and is read by the machine in
``pickles.py``, which runs nothing. ``torch.load(weights_only=True)`` runs nothing either, but it refuses what training
scripts put beside a state dict (``argparse.Namespace``, a configuration's class) and whole modules, and it sets memory
aside by numbers that a file names; so there is one reader for all.

Names are joined by dots along the way: ``{"g_ema": {"conv1.noise.weight": ...}}`` is ``g_ema.conv1.noise.weight``,
and a pickled module has the names of its ``state_dict()``.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import SafetensorError, safe_open
from torch import Tensor

from fakeoff.arena.files import open_file, read_file
from fakeoff.arena.players.checkpoints.containers import read_objects
from fakeoff.arena.players.checkpoints.limits import (
    DEEPEST,
    MOST_FILE_BYTES,
    MOST_SHARING,
    MOST_VALUES,
    NoTensors,
    Unreadable,
    shown,
)
from fakeoff.arena.players.checkpoints.pickles import Name, Ordered, StandIn
from fakeoff.arena.players.checkpoints.recognising import Recognised, explain_safetensors, recognise
from fakeoff.arena.players.checkpoints.values import NumpyArray, StoredTensor

Fact: TypeAlias = bool | int | float | str
"""What a checkpoint says beside its tensors: an attribute of a module, a field of a configuration."""

FACTS = "checkpoint_facts"
"""Where a player's ``load_state_dict`` hook finds the facts: in its ``local_metadata``."""

_IN_SAFETENSORS = "fakeoff.facts"
_LONGEST_FACT = 1000
_MODULE = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True)
class Checkpoint:
    """What was read from a file.

    Attributes:
        tensors: By name.
        facts: By name.
        left_out: What is in the file and was not taken, and how many of it.
        versions: Of modules' state dicts by the modules' names, as ``state_dict()`` keeps them.
        groups: Names that hold a dict of their own at the top of the file, such as ``model``.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Fact] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def state_dict(self) -> OrderedDict[str, Any]:
        """What ``load_state_dict`` takes, the facts as the root's metadata under :data:`FACTS`.

        A group stays a dict of its own, as in the file and as ``torch.load`` gives it: players' hooks know it so.
        :func:`flatten` joins the names.
        """
        state: OrderedDict[str, Any] = OrderedDict()
        for name, tensor in self.tensors.items():
            group, _, rest = name.partition(".")
            if group in self.groups and rest:
                state.setdefault(group, OrderedDict())[rest] = tensor
            else:
                state[name] = tensor
        return self._with_metadata(state)

    def flat(self) -> OrderedDict[str, Any]:
        """The same with joined names, and no group a dict of its own."""
        return self._with_metadata(OrderedDict(self.tensors))

    def _with_metadata(self, given: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
        state: Any = given
        metadata: dict[str, dict[str, Any]] = {name: {"version": version} for name, version in self.versions.items()}
        metadata.setdefault("", {})[FACTS] = self.facts
        state._metadata = metadata
        return state  # type: ignore[no-any-return]


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads weights in any form: safetensors, a state dict of PyTorch's, a pickle with networks in it.

    Nothing in the file is imported or called, and nothing in it decides how much memory is taken but its size.

    Args:
        path: A ``.safetensors`` file, or any other for a pickle.

    Raises:
        Unreadable: It is none of these, is cut off, or asks for what is not given.
    """
    found = check_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise Unreadable(f"it is larger than {MOST_FILE_BYTES // 2**30} GiB")
        content = read_file(path)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error
    try:
        objects = read_objects(content)
    except Unreadable as error:
        raise (Unreadable(str(found)) if found.kind == "text" else error) from None
    walk = _Walk()
    walk.visit(objects, "", 0)
    if sum(value.size for value in walk.stored.values()) > MOST_SHARING * len(content):
        raise Unreadable("its tensors are larger than the file: most of them would be the same bytes again")
    if not walk.stored:
        raise NoTensors(f"there are no tensors by name in it, but {_what(objects)}")
    tensors = {name: tensor for name, value in walk.stored.items() if (tensor := value.tensor()) is not None}
    return Checkpoint(tensors, walk.facts, dict(walk.left_out), _versions(objects), _groups(objects))


def check_file(path: Path) -> Recognised:
    """Refuses a file that is no weights, by its first bytes and, of safetensors, its header: it is quickly done.

    Args:
        path: As :func:`read_checkpoint` takes it.

    Returns:
        What it is, as far as that can be told.

    Raises:
        Unreadable: It is something else, cut off, or called what it is not; with what it is, and what to do.
    """
    try:
        with open_file(path) as file:
            found = recognise(file)
            if path.suffix == ".safetensors":
                if found.kind not in ("safetensors", "unknown"):
                    raise Unreadable(f"it is no safetensors, but {found.what}; {found.mend or 'give the weights'}")
                if found.kind == "unknown":
                    raise Unreadable("it is no safetensors, nor anything else that is known; give the weights")
                if fault := explain_safetensors(file):
                    raise Unreadable(fault)
            elif found.kind not in ("torch", "torchscript", "pickle", "text", "unknown"):
                raise Unreadable(str(found))
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error
    return found


def flatten(state: dict[str, Any]) -> None:
    """Joins the names of dicts in a state dict, in place: ``{"model": {"weight": ...}}`` gets ``model.weight``."""
    for group, entries in list(state.items()):
        if isinstance(entries, Mapping):
            del state[group]
            state |= {f"{group}.{name}": value for name, value in entries.items()}


def _groups(objects: Any) -> tuple[str, ...]:
    if not isinstance(objects, dict):
        return ()
    return tuple(
        name for name, value in objects.items() if isinstance(name, str) and "." not in name and isinstance(value, dict)
    )


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).get(_IN_SAFETENSORS, "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it has no __iter__
        facts = json.loads(said)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise Unreadable(shown(error)) from error
    if not isinstance(facts, dict) or not all(isinstance(value, Fact) for value in facts.values()):
        raise Unreadable(f"its header's '{_IN_SAFETENSORS}' is no table of plain values")
    return Checkpoint(tensors, facts)


def safetensors_header(checkpoint: Checkpoint) -> dict[str, str]:
    """What keeps a checkpoint's facts in a ``.safetensors`` file."""
    return {_IN_SAFETENSORS: json.dumps(checkpoint.facts, sort_keys=True)}


class _Walk:
    """Goes through a file's objects and takes what has a name."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredTensor | NumpyArray] = {}
        self.facts: dict[str, Fact] = {}
        self.left_out: Counter[str] = Counter()
        self._left = MOST_VALUES

    def visit(self, value: Any, name: str, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unreadable(f"it holds more than {MOST_VALUES} values, or the same ones in circles")
        if depth > DEEPEST:
            raise Unreadable(f"its values lie deeper in each other than {DEEPEST} levels")
        match value:
            case StoredTensor() | NumpyArray():
                self._take(value, name)
            case bool() | int() | float():
                self.facts[name] = value
            case str() if len(value) <= _LONGEST_FACT:
                self.facts[name] = value
            case dict():
                self._entries(value, name, depth)
            case StandIn():
                self._stand_in(value, name, depth)
            case Name():
                self.left_out[f"the name {value}"] += 1
            case list() | tuple() if value:
                self.left_out["lists"] += 1

    def _take(self, value: StoredTensor | NumpyArray, name: str) -> None:
        if name in self.stored:
            raise Unreadable(f"it has two tensors with the name '{shown(name)}'")
        if name:
            self.stored[name] = value

    def _entries(self, entries: dict[Any, Any], name: str, depth: int) -> None:
        if {"state", "param_groups"} <= entries.keys():
            self.left_out["optimisers' states"] += 1
            return
        for key, value in entries.items():
            if isinstance(key, str | int):
                self.visit(value, f"{name}.{key}" if name else str(key), depth + 1)

    def _stand_in(self, value: StandIn, name: str, depth: int) -> None:
        state = value.state
        if isinstance(state, dict) and all(isinstance(state.get(part), dict) for part in _MODULE):
            self._module(state, name, depth)
            return
        self.left_out[value.name] += 1
        for said in (state, value.entries):
            if isinstance(said, dict):
                self._facts(said, name)

    def _module(self, state: dict[Any, Any], name: str, depth: int) -> None:
        passing = state.get("_non_persistent_buffers_set")
        buffers = {key: value for key, value in state["_buffers"].items() if not _among(key, passing)}
        for part in (state["_parameters"], buffers, state["_modules"]):
            self._entries(part, name, depth)
        self._facts(state, name)

    def _facts(self, said: dict[Any, Any], name: str) -> None:
        for key, value in said.items():
            if isinstance(key, str) and isinstance(value, Fact):
                self.visit(value, f"{name}.{key}" if name else key, 0)


def _among(key: Any, names: Any) -> bool:
    return isinstance(names, list) and any(isinstance(name, str) and name == key for name in names)


def _versions(objects: Any) -> dict[str, int]:
    """What ``state_dict()`` keeps of modules' versions, where the file is one state dict."""
    said = objects.state.get("_metadata") if isinstance(objects, Ordered) and isinstance(objects.state, dict) else None
    versions: dict[str, int] = {}
    for name, kept in said.items() if isinstance(said, dict) else ():
        if isinstance(name, str) and isinstance(kept, dict) and type(version := kept.get("version")) is int:
            versions[name] = version
    return versions


def _what(objects: Any) -> str:
    first = objects[0] if isinstance(objects, list | tuple) and objects else objects
    if isinstance(first, StandIn) and first.name.startswith("dnnlib.tflib."):
        return "networks of TensorFlow: convert it once with legacy.py of stylegan2-ada-pytorch"
    if isinstance(objects, StandIn | Name):
        return f"'{shown(objects.name if isinstance(objects, StandIn) else objects)}'"
    return f"a {'dict' if isinstance(objects, Ordered) else type(objects).__name__}"
