"""Who is on a picture, by a regular expression for its name; it is a user's, and no pattern may hold a game up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from fakeoff.arena.errors import ConfigError, DataError

_SECONDS = 20.0
_NAMED_AT_MOST = 3

# A process of its own: a regular expression cannot be interrupted in this one.
_SEARCH = """
import json, re, sys
pattern, names = json.load(sys.stdin)
search = re.compile(pattern).search
json.dump([match and match[1] for match in map(search, names)], sys.stdout)
"""


def find_groups(pattern: str, names: Sequence[str]) -> list[str]:
    """Searches each name for a pattern.

    Args:
        pattern: A regular expression as Python's ``re`` reads it, with one group at least.
        names: Of pictures, below the folder of their split where there is one.

    Returns:
        What the first group of the pattern holds, for each.

    Raises:
        ConfigError: No such pattern, or one that takes too long.
        DataError: It does not fit a name, or holds nothing there.
    """
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"--group '{pattern}' is no regular expression: {error}") from error
    if not groups:
        raise ConfigError(f"--group '{pattern}' has no group: put who is on it in parentheses, as in '(.+)_[0-9]+'")
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SEARCH],
            input=json.dumps([pattern, list(names)]),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"--group '{pattern}' was not through {len(names)} names in {_SECONDS:g} seconds: give a simpler pattern, "
            "without a repetition of a repetition"
        ) from error
    found: list[str | None] = json.loads(ended.stdout)
    if unfit := [name for name, group in zip(names, found, strict=True) if not group]:
        more = f" and {len(unfit) - _NAMED_AT_MOST} more" if len(unfit) > _NAMED_AT_MOST else ""
        raise DataError(
            f"--group '{pattern}' says nobody of {', '.join(unfit[:_NAMED_AT_MOST])}{more}: give a pattern that fits "
            "each name"
        )
    return [group for group in found if group]


__all__ = ["find_groups"]
