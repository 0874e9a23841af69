"""What `fakeoff export --player` does, and says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fakeoff.leaderboard.exported.exporting import export_player
from fakeoff.leaderboard.exported.registering import register_player
from fakeoff.leaderboard.exported.subject import find_subject
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.record.versions import Kind


def export_and_tell(
    name: str, home: Home, folder: Path, *, kind: Kind | None, register: bool, server: str | None
) -> Iterator[str]:
    """Exports a player.

    Args:
        name: See :func:`fakeoff.leaderboard.exported.subject.find_subject`.
        home: Where it played.
        folder: Where to.
        kind: Where two have the same name.
        register: Whether it goes into MLflow's registry, too.
        server: The address of an MLflow server; None is the home's own database.

    Yields:
        What to say, a line each.

    Raises:
        FakeoffError: There is nobody of that name, its weights are not there, or something cannot be written.
    """
    subject = find_subject(name, home, kind=kind)
    exported = export_player(subject, folder)
    yield from (f"licence of {subject.version.label}: {licence}" for licence in exported.licences)
    for file in exported.files:
        yield f"{folder / file}: {(folder / file).stat().st_size / 1e3:,.1f} kB"
    if exported.no_graph:
        yield f"no ONNX: {exported.no_graph}"
    if register:
        registered = register_player(subject, exported, home, server=server)
        yield f"registered: {registered.name}, version {registered.version}; its files: {registered.address}"


__all__ = ["export_and_tell"]
