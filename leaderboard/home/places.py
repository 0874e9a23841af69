"""Which tournament a word of the command line is about."""

from __future__ import annotations

from pathlib import Path

from fakeoff.leaderboard.home.home import Home


def find_place(text: str, *, inside: Path | None = None) -> Home | Path:
    """The tournament that is meant.

    Args:
        text: A home; ``HOME:NAME``, a named tournament of it; a scoreboard file; or, last of all, the name of a
            tournament inside another home.
        inside: That home; None where none is meant.

    Returns:
        A home with the name of its tournament, whether anything was played there or not; or the path of a file.
    """
    path = Path(text)
    if path.is_file():
        return path
    if path.is_dir():
        return Home.around(Home(path).scoreboard) or Home(path)
    folder, colon, name = text.rpartition(":")
    if colon and Path(folder).is_dir():
        return Home(Path(folder), name)
    if inside is not None and text in Home(inside).names():
        return Home(inside, text)
    return Home(path)


__all__ = ["find_place"]
