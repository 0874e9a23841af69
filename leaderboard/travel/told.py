"""What people are told of an archive."""

from __future__ import annotations

import shlex
from pathlib import Path

from fakeoff.leaderboard.travel.archive import Manifest


def packed_lines(manifest: Manifest, target: Path) -> list[str]:
    """What is said of an archive that was written.

    Args:
        manifest: Of it.
        target: Where it is.
    """
    size = target.stat().st_size
    return [
        *_licences(manifest),
        f"packed: {target}: {len(manifest.entries)} files, {size / 1e6:.1f} MB{_left_out(manifest)}",
        f"contents: sha256 {manifest.contents}",
    ]


def unpacked_lines(manifest: Manifest, folder: Path) -> list[str]:
    """What is said of an archive that was unpacked.

    Args:
        manifest: Of it.
        folder: The home.
    """
    again = f"; to compute them again: fakeoff run --home {shlex.quote(str(folder))}" if manifest.left_out else ""
    return [
        *_licences(manifest),
        f"unpacked: {folder}: {len(manifest.entries)} files, {manifest.total / 1e6:.1f} MB, "
        f"packed by Fakeoff {manifest.fakeoff}{_left_out(manifest)}{again}",
        f"contents: sha256 {manifest.contents}",
    ]


def _licences(manifest: Manifest) -> list[str]:
    return [f"licence of {one}" for one in manifest.licences]


def _left_out(manifest: Manifest) -> str:
    return f"; left out: {' and '.join(manifest.left_out)}" if manifest.left_out else ""


__all__ = ["packed_lines", "unpacked_lines"]
