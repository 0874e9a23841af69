"""What every player must take: to be stored and loaded, to move to another device, to be built in another process."""

from __future__ import annotations

import inspect
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fakeoff.arena.contract import Contract, PlayerT
from fakeoff.arena.contract import other_process as fresh_process
from fakeoff.arena.contract.breaches import ContractBreach, asking, players_line
from fakeoff.arena.contract.checks import same_tensors
from fakeoff.arena.contract.other_device import DeviceMismatch, elsewhere, real_device
from fakeoff.arena.contract.other_process import TEXT, FreshProcessError, Recipe
from fakeoff.arena.errors import one_line
from fakeoff.arena.players.specs import load_arrays, state_arrays, weights_hash

_CPU = torch.device("cpu")
# Another device rounds differently; the simulated one does not.
_DEVICE_TOLERANCE = 1e-2


class Travels(Contract[PlayerT], Generic[PlayerT]):
    """The part of a contract that is the same for all kinds: what becomes of a player between two places."""

    def answer(self, player: PlayerT, device: torch.device = _CPU) -> dict[str, Tensor]:
        """What a player in eval mode says to inputs that are always the same, by method; on the CPU.

        Raises:
            ContractBreach: It answers in another form than the interface asks for.
        """
        raise NotImplementedError

    def answers(self) -> None:
        """Skips a test where a player does not even answer as it should."""
        raise NotImplementedError

    def answers_alike(self) -> None:
        """Skips a test where a player does not give the same answer twice, even here."""
        raise NotImplementedError

    def can_learn(self) -> bool:
        """Whether the player has a ``train_step`` or a ``fit``."""
        return False

    def trained(self) -> PlayerT:
        """A player after some training, which must not be changed; skips a test where training fails."""
        raise NotImplementedError

    def train_once(self, player: PlayerT, device: torch.device) -> None:
        """Takes one training step, or lets it fit.

        Raises:
            ContractBreach: It returns something else than the interface asks for.
        """
        raise NotImplementedError

    def answer_hash(self) -> str:
        """The sha256 of what a newly built player answers."""
        return weights_hash(self.answer(self.build().eval()))

    def test_a_state_is_all_there_is_to_a_version(self) -> None:
        """A version's state dict is all there is to it: stored and loaded, it answers the same."""
        self.needs(self.test_it_is_built_the_same_each_time)
        self.answers_alike()
        player = (self.trained() if self.can_learn() else self.build()).eval()
        expected = self.answer(player)
        for way, load in (("safetensors", _through_safetensors), ("the store", _through_arrays)):
            loaded = self.build()
            with asking(
                f"storing the state dict and loading it, through {way}",
                mend="a state dict holds tensors by name, no two of which share memory",
            ):
                load(player, loaded)
            if how := same_tensors(expected, self.answer(loaded.eval())):
                raise ContractBreach(
                    expected=f"a player that is given the state dict of another, through {way}, answers as that one",
                    came=how,
                    mend="keep what decides the answers in the state dict: nn.Parameter for weights, "
                    "self.register_buffer(name, tensor) for counters and running values",
                )

    def test_it_moves_to_another_device(self) -> None:
        """On another device it does the same as here."""
        self.needs(self.test_it_is_built_the_same_each_time)
        self.answers_alike()
        expected = self.answer(self.build().eval())
        player = self.build().eval()
        if self.can_learn():
            self.trained()
        if not real_device() and any(isinstance(module, torch.jit.ScriptModule) for module in player.modules()):
            raise unittest.SkipTest("there is no second device here, and TorchScript cannot be simulated")
        try:
            with elsewhere() as device:
                with asking(f"to('{device.type}')"):
                    player.to(device)
                there = self.answer(player, device)
                if self.can_learn():
                    self.train_once(player, device)
        except DeviceMismatch as mismatch:
            raise _left_behind(mismatch, player) from mismatch
        except ContractBreach as breach:
            if breach.__cause__ is None or real_device():
                raise
            hint = "".join(f"; {name} is no buffer and would stay behind" for name, _ in _unregistered(player))
            raise unittest.SkipTest(
                f"there is no second device here, and it cannot be simulated: {one_line(breach.__cause__)}{hint}"
            ) from breach
        if how := same_tensors(expected, there, tolerance=_DEVICE_TOLERANCE if real_device() else 1e-5):
            raise ContractBreach(
                expected="on another device it answers as here",
                came=how,
                mend="let nothing depend on tensor.device but where tensors are made",
            )

    def test_it_works_in_another_process(self) -> None:
        """A fresh interpreter builds it from its recipe and gets the same bytes."""
        self.needs(self.test_it_is_built_the_same_each_time)
        self.answers_alike()
        recipe = self._recipe()
        try:
            there = fresh_process.answer_of(recipe)
        except FreshProcessError as error:
            raise ContractBreach(
                expected="a worker, which is another process, imports the player, builds it and gets its answers",
                came=str(error),
                mend="put the class at the top level of a module or a plugin file that imports by itself, and open no "
                "file by a path that is relative to where you are",
            ) from error
        with fresh_process.as_in_a_worker():
            here = self.answer_hash()
        if there != here:
            raise ContractBreach(
                expected="a worker, which is another process, gets the same bytes for the same parameters and seed",
                came="others",
                mend="let nothing depend on hash(), on the order of a set, on the clock, on an environment variable or "
                "on what ran before",
            )

    def _recipe(self) -> Recipe:
        registry, name = self.registered()
        entry = registry.entry(name)
        player = self.player_class()
        if "<locals>" in player.__qualname__:
            raise ContractBreach(
                expected="a worker, which is another process, imports the player",
                came=f"{player.__qualname__} is defined in a function",
                mend="put the class at the top level of a module or a plugin file",
            )
        kind = next(above for above in type(self).__mro__ if "registry" in vars(above))
        named = registry is self.registry
        in_module = entry.file is None and not isinstance(entry.target, str)
        return Recipe(
            contract=f"{kind.__module__}:{kind.__qualname__}",
            player=name if named else "",
            cls="" if named else player.__qualname__,
            module=player.__module__ if in_module else "",
            path=inspect.getfile(player) if in_module else "",
            plugin_file=entry.file.path if entry.file else "",
            plugin_text=entry.file.source.decode(TEXT) if entry.file else "",
            parameters=dict(self.parameters),
            settings={name: getattr(self, name) for name in self.settings},
            threads=torch.get_num_threads(),
        )


def _through_safetensors(player: nn.Module, other: nn.Module) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_file({name: value.contiguous() for name, value in player.state_dict().items()}, path)
        other.load_state_dict(load_file(path))


def _through_arrays(player: nn.Module, other: nn.Module) -> None:
    load_arrays(other, state_arrays(player))


def _left_behind(mismatch: DeviceMismatch, player: nn.Module) -> ContractBreach:
    strays = {stray.untyped_storage().data_ptr() for stray in mismatch.strays}
    line = players_line(mismatch)
    attribute = next(
        (name for name, value in _unregistered(player) if value.untyped_storage().data_ptr() in strays), ""
    )
    if attribute:
        short = attribute.rpartition(".")[2]
        mend = f"{attribute} stays behind: self.register_buffer('{short}', {short}, persistent=False)"
    elif mismatch.draws:
        mend = "rng is a generator of the CPU: torch.randn(..., generator=rng).to(device)"
    elif mismatch.strays:
        mend = "make tensors where the others are: torch.zeros(..., device=x.device), or draw and then move: "
        mend += "torch.randn(..., generator=rng).to(x.device)"
    else:
        mend = "stay in torch, or bring it over first: tensor.detach().cpu().numpy()"
    return ContractBreach(
        expected="after player.to(device) it works on that device, with inputs that lie there and an rng of the CPU",
        came=f"{mismatch} ({line})" if line else str(mismatch),
        mend=mend,
    )


def _unregistered(player: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors among a player's attributes that are neither parameters nor buffers: nothing moves them."""
    for prefix, module in player.named_modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                yield from _tensors(value, ".".join(filter(None, ["self", prefix, name])))


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, nn.Parameter):  # the module's own, in a list beside it
        return
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _tensors(item, name)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item, name)


__all__ = ["Travels"]
