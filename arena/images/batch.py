"""Images with what is known of each: always moved, flipped and indexed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.compute import image_layout, move


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Images, and where it is known what is true of each.

    Attributes:
        images: float32 ``(n, 3, h, w)``, RGB in [0, 1], in channels_last memory.
        is_fake: bool ``(n,)``.
        person: int64 ``(n,)``: who it is; the same number is the same person.
        mask: float32 ``(n, 1, h, w)`` in [0, 1]: what a manipulation changed.
        parts: uint8 ``(n, h, w)``: indices into :data:`fakeoff.arena.parsers.PARTS`.
        split: int64 ``(n,)``: indices into :data:`fakeoff.arena.images.reals.SPLITS`, where images come with a split.
        place: int64 ``(n,)``: of reals: which photograph of their split each is.
        source: int64 ``(n,)``: of fakes that were made of a batch of reals: whose face or expression it is, by its
            place in that batch.
        target: int64 ``(n,)``: likewise: whose photograph it was put into, its paired real.
    """

    images: Tensor
    is_fake: Tensor | None = None
    person: Tensor | None = None
    mask: Tensor | None = None
    parts: Tensor | None = None
    split: Tensor | None = None
    place: Tensor | None = None
    source: Tensor | None = None
    target: Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in self.tensors().items():
            if len(value) != len(self.images):
                raise ValueError(f"a batch of {len(self.images)} images was given {len(value)} of '{name}'")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: slice | Tensor) -> Batch:
        """Some of them: a slice, indices or a bool for each."""
        return self._all(lambda value: value[place])

    @property
    def labels(self) -> Tensor:
        """``is_fake``, which a detector is always trained with.

        Raises:
            ValueError: It is not known of this batch.
        """
        if self.is_fake is None:
            raise ValueError("nothing is known of what is fake in this batch")
        return self.is_fake

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return self._all(lambda value: move(value, device))

    def flipped(self, which: Tensor) -> Batch:
        """Some of them mirrored, left and right: images, masks and parts alike.

        Args:
            which: bool ``(n,)``.
        """

        def flip(value: Tensor) -> Tensor:
            if value.ndim == 1:
                return value
            chosen = which.to(value.device).view(-1, *(1 for _ in value.shape[1:]))
            return torch.where(chosen, value.flip(-1), value)

        return self._all(flip)

    def tensors(self) -> dict[str, Tensor]:
        """What is known, by name."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def _all(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed = {name: change(value) for name, value in self.tensors().items()}
        return replace(self, **{**changed, "images": image_layout(changed["images"])})


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, with what is known of all of them.

    Args:
        batches: At least one.
    """
    known = [batch.tensors() for batch in batches]
    shared = [name for name in known[0] if all(name in each for each in known)]
    joined = Batch(**{name: torch.cat([each[name] for each in known]) for name in shared})
    return replace(joined, images=image_layout(joined.images))


__all__ = ["Batch", "join"]
