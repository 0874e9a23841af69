"""What a worker need not know of its user: processes that run players are started without it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping

_SECRET = re.compile(
    r"(^|_)(TOKENS?|SECRETS?|PASSWORD|PASSWD|PWD_FILE|CREDENTIALS?|API_?KEY|ACCESS_?KEY|ACCESS_KEY_ID|PRIVATE_?KEY)(_|$)"
    r"|^(MLFLOW_TRACKING|FAKEOFF_TRACKING|AWS|AZURE|GOOGLE_APPLICATION|VAULT)_|^(SSH_AUTH_SOCK|KUBECONFIG|NETRC|PGPASS.*)$",
    re.IGNORECASE,
)
_NEEDED = re.compile(r"^RAY_")
"""Ray's own token: its processes do not find each other without it."""


def is_secret(name: str) -> bool:
    """Whether an environment variable of this name may hold what lets its reader act as the user.

    Args:
        name: Of the variable.

    Example:
        >>> [is_secret(name) for name in ("HF_TOKEN", "AWS_PROFILE", "MLFLOW_TRACKING_URI", "TOKENIZERS_PARALLELISM")]
        [True, True, True, False]
    """
    return bool(_SECRET.search(name)) and not _NEEDED.search(name)


def less_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what :func:`is_secret`.

    Args:
        environment: By the names of its variables.
    """
    return {name: value for name, value in environment.items() if not is_secret(name)}


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """Takes them out of this process's environment, for processes that are started meanwhile, and puts them back."""
    taken = {name: value for name, value in os.environ.items() if is_secret(name)}
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in taken.items():
            os.environ.setdefault(name, value)


__all__ = ["is_secret", "less_secrets", "without_secrets"]
