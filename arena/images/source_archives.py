"""Source archives fetched by the user's pip, without running anything that is in them.

pip asks an archive for its metadata before it keeps it, and for that it runs the archive's ``setup.py``. So pip is
told not to isolate the build, and finds a stand-in for setuptools first, which runs no ``setup.py`` and writes the name
and the version that were asked for. Only the pinned archive comes that far: pip compares its sha256 before.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_STAND_IN = '''"""Stands in for setuptools: runs nothing of what is built, and says what was asked for."""

import pathlib


class _Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        folder = pathlib.Path(metadata_directory, "{name}-{version}.dist-info")
        folder.mkdir()
        folder.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return folder.name


__legacy__ = _Backend()
get_requires_for_build_wheel = __legacy__.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = __legacy__.prepare_metadata_for_build_wheel
'''


@contextlib.contextmanager
def unbuilt(name: str, version: str, sha256: str) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """What ``pip download`` is told so that it fetches a source archive and runs nothing of it.

    Args:
        name: The distribution's.
        version: Of it.
        sha256: Of the archive; pip refuses another one.

    Yields:
        Arguments, and what is added to the environment.
    """
    with tempfile.TemporaryDirectory(prefix="fakeoff-pip-") as folder:
        wanted, package = Path(folder, "wanted.txt"), Path(folder, "stand-in", "setuptools")
        wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        package.mkdir(parents=True)
        package.joinpath("__init__.py").touch()
        package.joinpath("build_meta.py").write_text(_STAND_IN.format(name=name, version=version))
        path = [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        # As variables: a pip that always does so, and has no such option any more, passes over it.
        environment = {"PYTHONPATH": os.pathsep.join(path), "PIP_USE_PEP517": "1"}
        yield (
            [
                "--no-deps",
                "--no-binary=:all:",
                "--no-build-isolation",
                "--require-hashes",
                "--requirement",
                str(wanted),
            ],
            environment,
        )


__all__ = ["unbuilt"]
