"""What a player that learns from everything at once is shown by its contract, and what it did with it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fakeoff.arena.images.batch import Batch

_SIZE = 12
# A player may go through everything many times: so many batches are looked at again.
_MOST_KEPT = 32


class Shown:
    """All there is to learn from, as the arena shows it: in another order each time, the last batch a smaller one.

    Args:
        whole: All of it.
        rng: Decides the orders: the one that ``fit`` is handed, as in the arena.

    Attributes:
        calls: How often it was asked for.
        most: The most batches that were taken of it at one time.
        ended: Whether it was once gone through to the end.
    """

    def __init__(self, whole: Batch, *, rng: torch.Generator) -> None:
        self._whole, self._rng = whole, rng
        self._kept: list[tuple[Batch, Tensor]] = []
        self.calls, self.most, self.ended = 0, 0, False

    def __len__(self) -> int:
        return -(-len(self._whole) // _SIZE)

    def __call__(self) -> Iterator[Batch]:
        """Begins anew, in another order."""
        self.calls += 1
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        order = torch.randperm(len(self._whole), generator=self._rng).to(self._whole.images.device)
        for taken, places in enumerate(order.split(_SIZE), start=1):
            self.most = max(self.most, taken)
            batch = self._whole[places]
            if len(self._kept) < _MOST_KEPT:
                self._kept.append((batch, places))
            yield batch
        self.ended = True

    def written(self) -> str:
        """What of the batches was written to, by name; empty where nothing was."""
        for batch, places in self._kept:
            before = self._whole[places].tensors()
            for name, value in batch.tensors().items():
                if not torch.equal(value, before[name]):
                    return name
        return ""


__all__ = ["Shown"]
