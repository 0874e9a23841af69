"""How a command ends: whatever a user can mend is one line, and never a traceback."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import shlex
import sys
from typing import Any, NoReturn

import click

from fakeoff.arena.errors import FakeoffError
from fakeoff.leaderboard.terminal.stopping import Stop

_TYPED = "fakeoff.typed"
_LONGEST = 300  # of a path that is told
_KEPT = "what was computed is kept, the same command carries on"
_MENDS = {
    errno.ENOSPC: f"free some space: {_KEPT}",
    errno.EDQUOT: f"free some of your quota: {_KEPT}",
    errno.EROFS: "it is read-only: use another --home, or --out",
    errno.EACCES: "give yourself the right to it, or use another",
    errno.ELOOP: "give the file itself",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    errno.ENOMEM: "free some memory, or use fewer --workers",
}


class OneLineErrors(click.Group):
    """Prints what a user can mend as one line, exit code 2; a stop says how to go on, exit code 130 or 143.

    Where some words more would mend it, the command with these stands on a line of its own, to be copied.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_TYPED] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # The interpreter's last collection would take seconds among all that PyTorch, Ray and MLflow made.
        atexit.register(gc.freeze)
        # A polite kill ends like Ctrl-C: workers and servers are stopped, MLflow's runs are marked.
        with Stop() as stop:
            try:
                return self._invoke(ctx, stop)
            except BaseException as error:
                # What is interrupted may end otherwise: an import of native code raises ImportError.
                if not (stop.asked or isinstance(error, KeyboardInterrupt)):
                    raise
                end(f"interrupted; {_KEPT}", code=stop.code)

    def _invoke(self, ctx: click.Context, stop: Stop) -> Any:
        try:
            return super().invoke(ctx)
        except FakeoffError as error:
            if stop.asked:
                raise
            line = " ".join(str(error).splitlines())
            if error.mend:
                line += f"\n  {shlex.join([ctx.info_name or 'fakeoff', *ctx.meta[_TYPED], *error.mend])}"
            end(line, code=2)
        except OSError as error:
            if stop.asked or error.errno == errno.EPIPE:  # click's own
                raise
            end(tell_os_error(error), code=2)
        except RuntimeError as error:
            # So pathlib says it before Python 3.13.
            looped = error.__context__
            if stop.asked or not isinstance(looped, OSError) or looped.errno != errno.ELOOP:
                raise
            end(tell_os_error(looped), code=2)


def tell_os_error(error: OSError) -> str:
    """What the system did not do, and the mend where there is one."""
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    where = f"'{_printable(error.filename)}' cannot be used: " if error.filename is not None else ""
    mend = _MENDS.get(error.errno or 0, "")
    return f"{where}{what}" + (f"; {mend}" if mend else "")


def _printable(name: object) -> str:
    """A path in one line that a terminal can show, of bytes that are no text as well."""
    text = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else str(name)
    return _visible(text)[-_LONGEST:]


def _visible(text: str) -> str:
    """With what would command a terminal written out: it may be quoted from a file that somebody else made."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def end(reason: str, *, code: int) -> NoReturn:
    """Ends the process with one line on its error output."""
    click.echo("\n".join(map(_visible, f"fakeoff: {reason}".split("\n"))), err=True)
    sys.exit(code)


__all__ = ["OneLineErrors", "end"]
