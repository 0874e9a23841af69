"""How long to wait for an MLflow that is locked, restarted or gone: bounded, and without its noise on the screen."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fakeoff.arena.errors import one_line

T = TypeVar("T")

SECONDS = 30.0
"""That an MLflow may be away before a log gives up. What was asked of it last may take its own limit longer."""

_PAUSE_SECONDS = 0.5
# MLflow dumps a stack for each database error, and urllib3 warns of each connection that is refused.
_NOISY = ("mlflow", "alembic", "urllib3.connectionpool")
_quietly, _levels = threading.Lock(), list[list[int]]()
_LASTING = {
    "ALREADY_EXISTS",
    "ENDPOINT_NOT_FOUND",
    "FEATURE_DISABLED",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
}
"""Codes of MLflow's errors that asking again would not change."""


class Patience:
    """Asks again what failed, until it works or the time is over.

    The clock starts at a failure and stops at the next success. When it has run out, everything fails at once, until
    something works again: an MLflow that stays away is waited for once, not at every call.

    Args:
        seconds: To wait.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds, self._given_up_at = seconds, 0.0
        self._exhausted = False
        self._hurried = threading.Event()

    def hurry(self) -> None:
        """Waits no more, now and later; may be called from another thread."""
        self._hurried.set()

    def ask(self, what: Callable[..., T], *given: Any, **named: Any) -> T:
        """Calls something of MLflow's.

        Args:
            what: To call; called again it must do the same.
            *given: Its arguments.
            **named: Likewise.

        Raises:
            Exception: What it raised last.
        """
        while True:
            try:
                answer = what(*given, **named)
            except Exception as error:
                if not (may_pass(error) and self._wait()):
                    raise
            else:
                self._given_up_at, self._exhausted = 0.0, False
                return answer

    def _wait(self) -> bool:
        now = time.monotonic()
        self._given_up_at = self._given_up_at or now + self._seconds
        if self._exhausted or self._hurried.is_set() or now + _PAUSE_SECONDS > self._given_up_at:
            self._exhausted, self._given_up_at = True, 0.0
            return False
        return not self._hurried.wait(_PAUSE_SECONDS)


class Patient:
    """An object whose methods are asked patiently.

    Args:
        of: The object.
        patience: How.
    """

    def __init__(self, of: Any, patience: Patience) -> None:
        self._of, self._patience = of, patience

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._of, name)

        def ask(*given: Any, **named: Any) -> Any:
            return self._patience.ask(method, *given, **named)

        return ask


def may_pass(error: BaseException) -> bool:
    """Whether asking again may help: the database is locked or gone, or the server is."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    cause = _database_error(error)
    if isinstance(cause, SQLAlchemyError) and not isinstance(cause, OperationalError):
        return False  # a file that is no database stays none
    if isinstance(error, MlflowException):
        return error.error_code not in _LASTING
    return isinstance(error, OSError | SQLAlchemyError | sqlite3.OperationalError)


def reason(error: BaseException) -> str:
    """Why MLflow cannot be used, in one line for people."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import RetryError, Timeout

    for one in _chain(error):
        if isinstance(one, Timeout):
            return "it does not answer in time"
        if isinstance(one, RetryError):
            return "it answers with errors of its own; see what it prints"
        if isinstance(one, NoConnection):
            return "it does not answer"
    found = _database_error(error)
    # SQLAlchemy adds the statement, its values and a link.
    return one_line(getattr(found, "orig", None) or found or error)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what MLflow prints about what goes wrong off the screen: our errors say it in one line.

    Loggers belong to the whole process: while several threads are inside, all stays quiet until the last has left.
    """
    loggers = [logging.getLogger(name) for name in _NOISY]
    with _quietly:
        _levels.append(_levels[-1] if _levels else [logger.level for logger in loggers])
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        with _quietly:
            before = _levels.pop()
            if not _levels:
                for logger, level in zip(loggers, before, strict=True):
                    logger.setLevel(max(level, logging.WARNING))


def _database_error(error: BaseException) -> BaseException | None:
    from sqlalchemy.exc import SQLAlchemyError

    return next((one for one in _chain(error) if isinstance(one, SQLAlchemyError)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


__all__ = ["SECONDS", "Patience", "Patient", "may_pass", "quiet", "reason"]
