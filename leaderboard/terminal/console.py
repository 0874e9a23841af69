"""The console that progress and tables are printed on."""

from __future__ import annotations

import io
import sys

from rich.console import Console

PIPE_WIDTH = 110


def open_console(*, quiet: bool = False) -> Console:
    """The standard output as a console: live bars on a terminal, plain lines in a pipe or a notebook.

    Args:
        quiet: Print nothing.
    """
    if quiet:
        return Console(file=io.StringIO())
    # A pipe or a file has no width; tables should not be squeezed into 80 columns there. The file is named because what
    # players print is caught while they play, and progress is not. A notebook's live bars would need ipywidgets.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, force_jupyter=False)


def open_error_console() -> Console:
    """The error output as a console, for what is said beside rows that other programs read."""
    width = None if sys.stderr.isatty() else PIPE_WIDTH
    return Console(file=sys.stderr, width=width, force_jupyter=False)
