"""Where MLflow is: a home's own database, or a server that others share."""

from __future__ import annotations

from urllib.parse import urlsplit

from fakeoff.arena.errors import ConfigError


def server_address(uri: str) -> str:
    """The address of an MLflow server, as it is used and shown.

    Args:
        uri: What the user gave, such as ``http://127.0.0.1:5000``.

    Returns:
        The same without a slash at its end.

    Raises:
        ConfigError: It is none, or it holds a password, which would be shown and kept.
    """
    try:
        parts = urlsplit(uri.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
        # A database's address may hold a password, so it is not repeated.
        raise ConfigError(
            "--tracking-uri takes the address of an MLflow server, such as http://127.0.0.1:5000; over a database one "
            "is started with: mlflow server --backend-store-uri DATABASE"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"--tracking-uri holds a name or password for {parts.hostname}; give them as MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    return uri.strip().rstrip("/")


__all__ = ["server_address"]
