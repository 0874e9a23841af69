"""What is said where a player does not keep its contract: what was expected, what came, and how to mend it."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Iterator
from pathlib import Path

import numpy
import safetensors
import torch

from fakeoff.arena.contract.other_device import DeviceMismatch
from fakeoff.arena.errors import FakeoffError, one_line

_LIBRARIES = [Path(str(library.__file__)).parent for library in (torch, numpy, safetensors)]
_PYTHON = Path(contextlib.__file__).parent


class ContractBreach(AssertionError):  # noqa: N818 - it is what pytest calls a failure
    """A player does not keep its contract.

    Attributes:
        expected: What the contract asks for; one line.
        came: What the player did instead; one line.
        mend: What to change; one line.
    """

    def __init__(self, *, expected: str, came: str, mend: str) -> None:
        self.expected, self.came, self.mend = (" ".join(text.split()) for text in (expected, came, mend))
        super().__init__(f"\n  expected: {self.expected}\n      came: {self.came}\n      mend: {self.mend}")


@contextlib.contextmanager
def asking(call: str, *, mend: str = "") -> Iterator[None]:
    """Turns whatever a player raises into a breach that names the call.

    Args:
        call: As it would be written: ``sample(3, rng=rng)``.
        mend: What to say where the player's own line does not say it.

    Raises:
        ContractBreach: The call raised.
    """
    __tracebackhide__ = True
    try:
        yield
    except (ContractBreach, DeviceMismatch, unittest.SkipTest):
        raise
    except (Exception, SystemExit) as error:
        line = players_line(error)
        if isinstance(error, FakeoffError):  # what a user can mend, and it says how
            advice = mend or "the message says it"
        elif line is None and isinstance(error, TypeError):
            advice = f"give the method the interface's signature: it is called as {call}"
        elif line is None:
            advice = mend or "the message says it"
        else:
            advice = f"mend {line}" + (f" ({mend})" if mend else "")
        raise ContractBreach(
            expected=f"{call} ends without an error", came=f"it raised {one_line(error)}", mend=advice
        ) from error


def players_line(error: BaseException) -> str | None:
    """Where an exception comes from: the innermost line of the player's own, ``my_gan.py:12, in sample``."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        in_python = path.is_relative_to(_PYTHON) and "site-packages" not in path.parts
        in_libraries = any(path.is_relative_to(library) for library in _LIBRARIES)
        if not (in_python or in_libraries or _is_ours(str(trace.tb_frame.f_globals.get("__name__")))):
            found = f"{path.name}:{trace.tb_lineno}, in {trace.tb_frame.f_code.co_name}"
        trace = trace.tb_next
    return found


def _is_ours(module: str) -> bool:
    room, _, rest = module.removeprefix("fakeoff.").partition(".")
    is_player = room != "arena" or rest.startswith("parsers.")
    return module.startswith("fakeoff.") and ("contract" in rest.split(".") or not is_player)


__all__ = ["ContractBreach", "asking", "players_line"]
