"""The command, as it is installed and as ``python -m fakeoff``."""

from __future__ import annotations

import signal


def main() -> None:
    """Runs the command line; interrupted before it is there, the process ends as any other and without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fakeoff.cli import main as command

    command()


if __name__ == "__main__":
    main()
