"""The exception tree.

FakeoffError            anything that a user can mend; printed as one line, exit code 2
  ConfigError           the configuration asks for something that cannot be
  DataError             images that cannot be used
  AssetError            an asset is missing, damaged, or cannot be fetched
  PluginError           a player is unknown, or does not keep to its interface
  StoreError            the store is damaged, locked or from a later version
JobFailed               one job ended without a result; its player forfeits
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class FakeoffError(Exception):
    """A problem the user can mend. The message says what, where, and what to do next.

    Args:
        message: One line.
        mend: Words that mend it, added to the same command; empty where there are none.
    """

    def __init__(self, message: str, *, mend: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.mend = tuple(mend)


class ConfigError(FakeoffError):
    """The configuration asks for something that cannot be."""


class DataError(FakeoffError):
    """Images that cannot be used."""


class AssetError(FakeoffError):
    """An asset is missing, damaged, or cannot be fetched."""


class PluginError(FakeoffError):
    """A player is unknown, or does not keep to its interface."""


class StoreError(FakeoffError):
    """The store is damaged, locked, or was written by a later version."""


class JobFailed(Exception):  # noqa: N818 - an outcome that the tournament handles, not a user's error
    """One job ended without a result.

    Args:
        reason: One line: what the job did wrong.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns ``"; did you mean 'x'?"`` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def one_line(error: BaseException) -> str:
    """Returns an exception as one line: its type, and its message with line breaks folded."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
