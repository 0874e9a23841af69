"""How far a long job is: what it leaves from time to time, and goes on from when its process was killed.

A checkpoint is never a result: whatever is wrong with one, the job begins anew and comes to the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

_SHA256 = 32


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a job has taken, in seconds: of time, and of all its threads together."""

    seconds: float = 0.0
    computed: float = 0.0


class Checkpoint:
    """One job's own: what it left when it was killed, and where it leaves how far it is.

    Args:
        every: Seconds between two; 0 is none at all.
        left: What it left; None where it begins.
        write: Takes what it leaves.
        cost_at_most: Of the time, the share that checkpoints take: those of large networks come more rarely.

    Attributes:
        state: What was saved last; None where the job begins.
        before: What it had taken until then.
    """

    def __init__(
        self,
        *,
        every: float = 0.0,
        left: bytes | None = None,
        write: Callable[[bytes], None] = lambda data: None,
        cost_at_most: float = 0.05,
    ) -> None:
        self._every, self._write, self._wait = every, write, every
        self._cost_at_most = cost_at_most
        self._started = self._last = time.perf_counter()
        self._computed = time.process_time()
        self.state: Mapping[str, Any] | None = None
        self.before = Spent()
        if every and left is not None and is_whole(left):
            self._load(left)

    def _load(self, left: bytes) -> None:
        try:
            with warnings.catch_warnings(action="ignore"):  # of what is no checkpoint
                # Nothing in it is run: it is read as a user's weights are.
                saved = torch.load(io.BytesIO(left[_SHA256:]), map_location="cpu", weights_only=True)
            before, state = Spent(**saved["spent"]), saved["state"]
        except (RuntimeError, pickle.UnpicklingError, ValueError, KeyError, TypeError, EOFError):
            return
        self.before, self.state = before, state

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self._every > 0 and time.perf_counter() - self._last >= self._wait

    @property
    def spent(self) -> Spent:
        """What the job has taken so far, with what it took before it was killed."""
        return Spent(
            seconds=self.before.seconds + time.perf_counter() - self._started,
            computed=self.before.computed + time.process_time() - self._computed,
        )

    def save(self, state: Mapping[str, Any]) -> None:
        """Leaves how far the job is.

        Args:
            state: Tensors, numbers, text and None, in tables, lists and tuples.
        """
        began = time.perf_counter()
        buffer = io.BytesIO()
        torch.save({"spent": dict(vars(self.spent)), "state": state}, buffer)
        data = buffer.getvalue()
        self._write(hashlib.sha256(data).digest() + data)
        self._last = time.perf_counter()
        self._wait = max(self._every, (self._last - began) / self._cost_at_most)


def is_whole(data: bytes) -> bool:
    """Whether these are the bytes that a job left."""
    return hashlib.sha256(data[_SHA256:]).digest() == data[:_SHA256]


__all__ = ["Checkpoint", "Spent", "is_whole"]
