"""What a checkpoint may ask for, and how it is refused."""

from __future__ import annotations

from fakeoff.arena.errors import one_line

MOST_FILE_BYTES = 8 * 2**30
"""Of a checkpoint: five times that of a StyleGAN2 of 1024 pixels with its optimisers."""

MOST_OPCODES = 1_000_000
"""Of all pickles in a file together. A pickle of three networks of 1024 pixels has about 58,000."""

DEEPEST = 100
"""Of containers in containers on the way to a tensor."""

MOST_VALUES = 500_000
"""Looked at on the way to the tensors: a value that is referred to twice is looked at twice."""

MOST_DIMENSIONS = 16
"""Of a tensor."""

MOST_SHARING = 4
"""A file's tensors have this many times its bytes at most: weights that are shared are in it once."""

_LONGEST_SHOWN = 80
_LONGEST_SAID = 1000


class Unreadable(ValueError):  # noqa: N818 - what a file is, of which its reader makes an error
    """A file that is no checkpoint, or asks for what is not given. The message is one line: what is wrong with it."""


class NoTensors(Unreadable):
    """A file that can be read and holds no tensors by name: it fits nobody."""


class Budget:
    """Counts what all pickles of one file do together.

    Args:
        opcodes: How many they may have.
    """

    def __init__(self, opcodes: int) -> None:
        self.most = self.left = opcodes

    def spend(self) -> None:
        """Counts one opcode.

        Raises:
            Unreadable: It was one too many.
        """
        self.left -= 1
        if self.left < 0:
            raise Unreadable(f"its pickle has more than {self.most} opcodes")


def shown(text: object) -> str:
    """What a file says, fit to be printed: in one line, without control characters, and not long."""
    return _printable(text, most=_LONGEST_SHOWN)


def said(error: BaseException) -> str:
    """What a library says of a file, whole: its type and its message as :func:`shown`, and only a flood is cut."""
    return _printable(one_line(error), most=_LONGEST_SAID)


def _printable(text: object, *, most: int) -> str:
    line = "".join(letter if letter.isprintable() else "?" for letter in str(text)[: most + 1])
    return line if len(line) <= most else line[: most - 3] + "..."
