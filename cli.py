"""The command line: its one group, and the commands in it."""

from __future__ import annotations

import click

from fakeoff import __version__
from fakeoff.commands import data, judging, players, playing, results, travelling
from fakeoff.leaderboard.terminal.one_line_errors import OneLineErrors

_ENVIRONMENT = """\b
Environment:
  FAKEOFF_HOME          the home, where --home is not given
  FAKEOFF_TRACKING_URI  MLflow's server, where --tracking-uri is not given
  FAKEOFF_ASSETS        assets; ~/.cache/fakeoff/assets by default
  XDG_CACHE_HOME        for what can be fetched or measured again
"""


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_ENVIRONMENT)
@click.version_option(__version__, prog_name="fakeoff")
def main() -> None:
    """Attack-defend rounds between fake-image generators and fake-image detectors."""


for _command in (
    playing.run,
    playing.challenge,
    playing.reproduce,
    results.leaderboard,
    results.compare,
    results.report,
    results.import_,
    results.ui,
    judging.look,
    judging.score,
    judging.audit,
    players.plugins,
    players.weights,
    travelling.export,
    travelling.pack,
    travelling.unpack,
    data.assets,
    data.data,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
