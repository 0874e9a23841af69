"""The looks that find out whether a player keeps its contract: at what it returns, and at what it leaves behind."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.contract.breaches import ContractBreach
from fakeoff.arena.players.specs import weights_hash
from fakeoff.arena.seeds import global_states, sealed

_RANGE_TOLERANCE = 1e-3

_DRAW_FROM_RNG = {
    "torch": "draw from rng: torch.randn(..., generator=rng); "
    "where a layer draws by itself (dropout): with global_draws(rng): from fakeoff.arena.seeds",
    "numpy": "draw from rng: torch.rand(..., generator=rng).numpy(), or "
    "np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))",
    "random": "draw from rng: torch.randint(..., generator=rng).item(), or "
    "random.Random(int(torch.randint(2**62, (), generator=rng)))",
}


def check_tensor(
    value: Any,
    shape: tuple[int | str, ...],
    *,
    call: str,
    dtype: torch.dtype = torch.float32,
    bounds: tuple[float, float] | None = None,
) -> Tensor:
    """Holds what a player returned to a type, a shape, a range, and to being finite.

    Args:
        value: What came.
        shape: A word stands for any length but 0.
        call: As it would be written.
        dtype: Of the elements.
        bounds: The lowest and the highest value.

    Raises:
        ContractBreach: It is something else.
    """
    __tracebackhide__ = True
    words = ", ".join(str(length) for length in shape) + ("," if len(shape) == 1 else "")
    name = str(dtype).removeprefix("torch.")
    expected = f"{call} returns {name} ({words})" + (f" in [{bounds[0]:g}, {bounds[1]:g}]" if bounds else "")

    def breach(came: str, mend: str) -> ContractBreach:
        return ContractBreach(expected=expected, came=came, mend=mend)

    if not isinstance(value, Tensor):
        mend = "the method has no return" if value is None else "return the tensor, and nothing else"
        raise breach(f"{type(value).__name__}", mend)
    fits = value.ndim == len(shape) and all(
        length == wanted if isinstance(wanted, int) else length > 0
        for length, wanted in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise breach(f"shape {tuple(value.shape)}", _mend_shape(value, shape))
    if value.dtype != dtype:
        raise breach(str(value.dtype).removeprefix("torch."), f"return values.to(torch.{name})")
    if not torch.isfinite(value).all():
        share = 1 - torch.isfinite(value).double().mean().item()
        raise breach(f"{share:.0%} NaN or infinite values", "look for a division by zero, a log or a root of 0")
    if bounds is not None:
        low, high = value.min().item(), value.max().item()
        if low < bounds[0] - _RANGE_TOLERANCE or high > bounds[1] + _RANGE_TOLERANCE:
            raise breach(f"values from {low:.3g} to {high:.3g}", _mend_range(low, high, images=value.ndim == 4))
    return value


def brought_home(said: Mapping[str, Tensor], device: torch.device, *, what: str) -> dict[str, Tensor]:
    """Holds answers to the device of the images that they are about, and brings them to the CPU.

    Args:
        said: By the name of the call.
        device: Where the images are.
        what: The answers are, for people: ``scores``.

    Raises:
        ContractBreach: One is elsewhere.
    """
    for name, value in said.items():
        if value.device != device:
            raise ContractBreach(
                expected=f"{name} returns {what} on the device of the images, {device}",
                came=f"{what} on {value.device}",
                mend="make what you need where the images are: torch.zeros(..., device=images.device)",
            )
    return {name: value.cpu() for name, value in said.items()}


def _mend_shape(value: Tensor, shape: tuple[int | str, ...]) -> str:
    if len(shape) == 4 and value.ndim == 4:
        if value.shape[1] == 1:
            return "grey images are RGB too: images.expand(-1, 3, -1, -1)"
        if value.shape[3] == shape[1]:
            return "channels come first: images.permute(0, 3, 1, 2)"
    if value.ndim == len(shape) and value.shape[:-2] == shape[:-2] and (value.ndim == 4 or value.dtype == torch.uint8):
        return "bring it to this size: F.interpolate(..., size=images.shape[-2:])"
    if len(shape) == 3 and value.ndim < 3:
        return "in rows and columns, as the patches lie: no flatten, and no mean over them"
    if len(shape) == 1 and value.ndim == 2 and value.shape[1] == 1:
        return "one number for each image: scores.squeeze(1)"
    if len(shape) == 1 and value.ndim == 2 and value.shape[1] == 2:
        return "P(fake) alone: logits.softmax(1)[:, 1]"
    if len(shape) == value.ndim + 1:
        return "keep the first dimension, one entry for each image, also where there is only one image"
    return "one entry for each image, of exactly this shape"


def _mend_range(low: float, high: float, *, images: bool) -> str:
    if not images:
        return "turn logits into probabilities: torch.sigmoid(logits), or logits.softmax(1)[:, 1]"
    if high > 2:
        return "images / 255"
    return "(images + 1) / 2" if low < -0.5 and high <= 1 + _RANGE_TOLERANCE else "images.clamp(0, 1)"


def check_measured(measured: Any, *, call: str) -> dict[str, float]:
    """Holds what a ``train_step`` or a ``fit`` returned to a dict of finite numbers.

    Raises:
        ContractBreach: It is something else.
    """
    __tracebackhide__ = True
    expected = f"{call} returns what it measured, a dict of finite numbers by name"
    if not isinstance(measured, dict) or not measured:
        came = "an empty dict" if measured == {} else type(measured).__name__
        raise ContractBreach(expected=expected, came=came, mend='return {"loss": loss.item()}')
    for name, value in measured.items():
        if not isinstance(value, int | float):
            mend = f"write {name}.item()" if isinstance(value, Tensor) else f"write float({name})"
            raise ContractBreach(expected=expected, came=f"'{name}' is {type(value).__name__}", mend=mend)
        if not math.isfinite(value):
            mend = "a smaller learning rate, or gradients that are clipped; a log or a root of 0 does it as well"
            raise ContractBreach(expected=expected, came=f"'{name}' is {value}", mend=mend)
    return {str(name): float(value) for name, value in measured.items()}


@contextlib.contextmanager
def leaves_globals_alone(call: str) -> Iterator[None]:
    """Looks at the global generators before and after.

    Raises:
        ContractBreach: One moved.
    """
    __tracebackhide__ = True
    # In a state of our own: a player that sets it may have set it before.
    with sealed("global", call):
        before = global_states()
        yield
        after = global_states()
    for library, state in after.items():
        if state != before[library]:
            raise ContractBreach(
                expected=f"{call} leaves the global random state of torch, numpy and random alone",
                came=f"it drew from, or seeded, that of {library}",
                mend=_DRAW_FROM_RNG[library],
            )


@contextlib.contextmanager
def does_not_write(call: str, **inputs: Tensor) -> Iterator[None]:
    """Looks at tensors before and after.

    Raises:
        ContractBreach: One was written to.
    """
    __tracebackhide__ = True
    kept = {name: value.clone() for name, value in inputs.items()}
    yield
    for name, value in inputs.items():
        if not torch.equal(value, kept[name]):
            raise wrote_to(name, call)


def wrote_to(name: str, call: str) -> ContractBreach:
    """The breach of a player that wrote to what it was shown."""
    return ContractBreach(
        expected=f"{call} reads its arguments and does not write to them",
        came=f"{name} changed",
        mend=f"no operation in place on {name} (mul_, add_, [...] =): write {name} = {name} * 2 - 1",
    )


@contextlib.contextmanager
def leaves_as_it_was(player: nn.Module, call: str) -> Iterator[None]:
    """Looks at a player's state and mode before and after.

    Raises:
        ContractBreach: It changed.
    """
    __tracebackhide__ = True
    before, mode = _hashes(player), player.training
    yield
    after = _hashes(player)
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    if changed:
        raise ContractBreach(
            expected=f"in eval mode, {call} leaves the state dict as it was",
            came=f"'{changed[0]}' changed" + (f", and {len(changed) - 1} more" if changed[1:] else ""),
            mend="update weights, counters and running statistics in train_step or fit only, or where self.training",
        )
    if player.training != mode:
        raise ContractBreach(
            expected=f"{call} leaves the player in the mode that it is in",
            came="train mode" if player.training else "eval mode",
            mend="leave self.train() and self.eval() to the arena",
        )


def _hashes(player: nn.Module) -> dict[str, str]:
    return {name: weights_hash({name: value}) for name, value in player.state_dict().items()}


def same_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor], *, tolerance: float = 0.0) -> str | None:
    """Compares what a player answered on two occasions.

    Returns:
        How they differ, or None.
    """
    for name, value in one.items():
        if value.shape != other[name].shape:
            return f"{name} of shape {tuple(other[name].shape)}, not {tuple(value.shape)}"
        apart = (value.double() - other[name].double()).abs()
        if not (apart <= tolerance).all():
            return f"{name} that differs by up to {apart.max().item():.2g}"
    return None


__all__ = [
    "check_measured",
    "check_tensor",
    "does_not_write",
    "leaves_as_it_was",
    "leaves_globals_alone",
    "same_tensors",
    "wrote_to",
]
