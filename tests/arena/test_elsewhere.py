"""The simulated device takes what a real one takes, and refuses what a real one refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.contract import other_device as module
from fakeoff.arena.contract.other_device import DeviceMismatch, elsewhere

HERE = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _no_real_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "real_device", lambda: None)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.0))
        self.optimiser = torch.optim.Adam(self.parameters(), lr=0.01)

    def step(self, images: Tensor) -> float:
        loss = F.interpolate(self.layers(images), scale_factor=2.0).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimiser.step()
        return loss.item()


def test_training_there_is_training_here() -> None:
    here, there = Network(), Network()
    expected = [here.step(HERE) for _ in range(4)]
    with elsewhere() as device:
        there.to(device)
        assert [there.step(HERE.to(device)) for _ in range(4)] == pytest.approx(expected, rel=1e-5)
        parameter = there.layers[0].weight
        assert parameter.device == parameter.grad.device == device  # type: ignore[union-attr]
        assert copy.deepcopy(there).layers[1].running_mean.device == device  # type: ignore[union-attr]
        there.load_state_dict(here.state_dict())
        assert there.layers[0].weight.device == device
        there.cpu()
        assert there.layers[0].weight.device.type == "cpu"
    torch.testing.assert_close(there.state_dict(), here.state_dict())


WHERE: dict[str, Callable[[Tensor, torch.device], Tensor]] = {
    "a view": lambda x, _: x[0].permute(1, 2, 0),
    "a sum with a number": lambda x, _: x + 1.0,
    "a sum with a tensor of no dimensions": lambda x, _: x + torch.tensor(1.0),
    "a factory": lambda _, device: torch.zeros(3, device=device),
    "a factory by name": lambda _, __: torch.zeros(3, device="cuda"),
    "like": lambda x, _: torch.zeros_like(x, dtype=torch.long),
    "new": lambda x, _: x.new_zeros(3),
    "drawn and moved": lambda x, _: torch.randn(3, generator=rng()).to(x.device),
    "moved like another": lambda x, _: torch.randn(3).to(x),
    "a type and a place": lambda x, device: x.cpu().to(device, torch.float64),
    "a type": lambda x, _: x.to(torch.float64),
    "made within the device": lambda _, device: within(device),
    "indexed from here": lambda x, _: x[torch.tensor([0, 1])],
    "the largest": lambda x, _: x.max(1).values,
    "split": lambda x, _: x.split(1)[1],
    "a gradient": lambda x, _: torch.autograd.grad((x.requires_grad_() * 2).sum(), x)[0],
    "copied into": lambda x, _: x.clone().copy_(HERE),
    "written into": lambda x, _: set_first(x),
}


def within(device: torch.device) -> Tensor:
    with device:
        return torch.ones(2)


def set_first(x: Tensor) -> Tensor:
    x = x.clone()
    x[0] = HERE[0]
    return x


@pytest.mark.parametrize("make", WHERE.values(), ids=list(WHERE))
def test_what_is_made_there_is_there(make: Callable[[Tensor, torch.device], Tensor]) -> None:
    with elsewhere() as device:
        x = HERE.to(device)
        made = make(x, device)
        assert (made.device, made.is_cuda, made.is_cpu, made.get_device()) == (device, True, False, 0)
        assert HERE.device.type == "cpu"
        assert made.cpu().device.type == "cpu"
        assert made.device == device  # what was taken back is a copy


REFUSED: dict[str, Callable[[Tensor, torch.device], Any]] = {
    "a sum with what is here": lambda x, _: x + HERE,
    "in place": lambda x, _: x.add_(HERE),
    "a choice by what is here": lambda x, _: torch.where(HERE > 0.5, x, x),
    "labels that are here": lambda x, _: F.cross_entropy(x.mean((2, 3)), torch.zeros(2, dtype=torch.long)),
    "a layer that is here": lambda x, _: nn.Conv2d(3, 1, 1)(x),
    "indexing what is here": lambda x, _: HERE[torch.tensor([0]).to(x.device)],
    "drawn there by a generator of here": lambda _, device: torch.randn(2, generator=rng(), device=device),
    "drawn like": lambda x, _: torch.randn_like(x, generator=rng()),
    "drawn in place": lambda x, _: x.normal_(generator=rng()),
    "bytes": lambda x, _: x.numpy(),
    "bytes by numpy": lambda x, _: np.asarray(x),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=list(REFUSED))
def test_what_a_real_device_refuses_is_refused(use: Callable[[Tensor, torch.device], Any]) -> None:
    with elsewhere() as device:
        x = HERE.to(device)
        with pytest.raises(DeviceMismatch):
            use(x, device)


def test_what_cannot_be_simulated_fails_otherwise() -> None:
    with elsewhere() as device, pytest.raises(Exception, match=r"(?i)cuda|nvidia|not simulated") as caught:
        nn.LSTM(8, 2).to(device)(HERE[0].to(device))
    assert not isinstance(caught.value, DeviceMismatch)


def test_transformed_functions_are_not_simulated() -> None:
    with elsewhere() as device, pytest.raises(NotImplementedError, match=r"torch\.func"):
        torch.vmap(lambda x: x * 2)(HERE.to(device))


def test_outside_everything_is_here_again() -> None:
    with elsewhere() as device:
        x = HERE.to(device)
    assert x.device.type == "cpu"
    assert torch.equal(x + HERE, 2 * HERE)


def test_memory_that_is_free_again_may_be_used_here() -> None:
    with elsewhere() as device:
        for _ in range(50):
            there = torch.ones(64, device=device) * 2
            del there
            assert torch.ones(64).device.type == "cpu"
