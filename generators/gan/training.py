"""What adversarial generators share beside their losses: optimisers that resume, a moving average of weights, and how
others' weights take the place of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Adam with beta1 = 0 and beta2 = 0.99 (Karras et al., ICLR 2018, appendix A.1, and CVPR 2019)."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.0, 0.99))


def restore(optimisers: Sequence[torch.optim.Adam], saved: Sequence[Any], rates: Sequence[float]) -> None:
    """Loads what optimisers' ``state_dict`` returned, and keeps to the rates that are given now."""
    for optimiser, state, rate in zip(optimisers, saved, rates, strict=True):
        optimiser.load_state_dict(state)
        for group in optimiser.param_groups:
            group["lr"] = rate  # the saved rate would undo a change of the argument


def rates_of(optimisers: tuple[torch.optim.Adam, torch.optim.Adam]) -> tuple[float, float]:
    """The learning rates of a generator's and its critic's optimisers."""
    first, second = (float(optimiser.param_groups[0]["lr"]) for optimiser in optimisers)
    return first, second


@torch.no_grad()
def follow(average: nn.Module, current: nn.Module, *, images: int, half_life: float) -> None:
    """Moves averaged weights towards current ones.

    Args:
        average: Whose weights move.
        current: What they follow.
        images: How many were trained on since the last time.
        half_life: In images.
    """
    keep = 0.5 ** (images / max(half_life, 1e-8))
    for averaged, weight in zip(average.parameters(), current.parameters(), strict=True):
        averaged.lerp_(weight, 1 - keep)


def without_current(state: Mapping[str, Tensor], *, current: str) -> dict[str, Tensor]:
    """A state dict to ship: without the weights that the average stands for, which begin so, and in float16."""
    return {
        name: value.half().contiguous() if value.dtype == torch.float32 else value
        for name, value in state.items()
        if not name.startswith(current)
    }


def start_from_average(state: dict[str, Any], *, current: str) -> None:
    """Fills in the current weights, whose names begin so, where a file ships only their average."""
    if not any(name.startswith(current) for name in state):
        state |= {
            name.replace("average.", current, 1): value for name, value in state.items() if name.startswith("average.")
        }


def take_over(
    player: nn.Module,
    state: dict[str, Any],
    renamed: Mapping[str, Tensor],
    errors: list[str],
    *,
    settings: Callable[[Mapping[str, Tensor]], Mapping[str, int]],
    may_lack: tuple[str, ...] = (),
) -> None:
    """Puts others' weights in the place of a state dict that is being loaded, and fills in what such files never have.

    A name that is missing in a network of which the file has any is left missing: it is an error.

    Args:
        player: Who loads; what is filled in is its own.
        state: Becomes a state of the player.
        renamed: What the file says, in the player's names.
        errors: Gets a line where the file's network needs other parameters, as a ``load_state_dict`` hook's list.
        settings: The parameters of a player with the shapes of a state dict.
        may_lack: How names end that a file has all of, or none.
    """
    own = player.state_dict()
    if (theirs := settings(renamed)) != (ours := settings(own)):
        differ = ", ".join(f"{name} = {value}" for name, value in theirs.items() if value != ours.get(name))
        errors.append(f"the file's network has {differ}: give these parameters.")
    given = tuple({f"{name.partition('.')[0]}." for name in renamed})
    lacks = not any(name.endswith(may_lack) for name in renamed)
    kept = {
        name: value for name, value in own.items() if not name.startswith(given) or (lacks and name.endswith(may_lack))
    }
    state.clear()
    state |= {**kept, **renamed}


__all__ = ["adam", "follow", "rates_of", "restore", "start_from_average", "take_over", "without_current"]
