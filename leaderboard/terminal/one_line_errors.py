"""How a command ends: whatever a user can mend is one line, and never a traceback."""

from __future__ import annotations

import atexit
import gc
import shlex
import signal
import sys
from typing import Any, NoReturn

import click

from fakeoff.arena.errors import FakeoffError

_TYPED = "fakeoff.typed"


class OneLineErrors(click.Group):
    """Prints what a user can mend as one line, exit code 2; an interrupt says how to go on, exit code 130.

    Where some words more would mend it, the command with these stands on a line of its own, to be copied.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_TYPED] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # A polite kill ends like Ctrl-C: workers and servers are stopped, MLflow's runs are marked.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # The interpreter's last collection would take seconds among all that PyTorch, Ray and MLflow made.
        atexit.register(gc.freeze)
        try:
            return super().invoke(ctx)
        except FakeoffError as error:
            line = " ".join(str(error).splitlines())
            if error.mend:
                line += f"\n  {shlex.join([ctx.info_name or 'fakeoff', *ctx.meta[_TYPED], *error.mend])}"
            end(line, code=2)
        except OSError as error:
            if error.filename is None:  # a broken pipe: click's own
                raise
            end(f"'{error.filename}' cannot be used: {error.strerror}", code=2)
        except KeyboardInterrupt:
            end("interrupted; what was computed is kept, the same command carries on", code=130)


def end(reason: str, *, code: int) -> NoReturn:
    """Ends the process with one line on its error output."""
    click.echo(f"fakeoff: {reason}", err=True)
    sys.exit(code)


__all__ = ["OneLineErrors", "end"]
