"""Makes the packages of one commit the same bytes, whoever builds them, where and when; see CONTRIBUTING.md.

All else is in pyproject.toml. setuptools alone keeps the builder's umask in both, and the clock in the sdist.
"""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

os.umask(0o022)


class BuildPy(build_py):
    """Copies what is in a file, and not who may read it here."""

    def copy_file(self, *args: Any, **options: Any) -> Any:
        return super().copy_file(*args, **{**options, "preserve_mode": False})


class Wheel(bdist_wheel):
    """Likewise of the licence."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        super().egg2dist(egginfo_path, distinfo_path)
        for path in Path(distinfo_path).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


class SourceDistribution(sdist):
    """Packs with the time of ``SOURCE_DATE_EPOCH``, where it is given, and as nobody's files."""

    def make_archive(self, base_name: Any, format: str, root_dir: Any = None, base_dir: Any = None, **more: Any) -> str:  # noqa: A002
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar" or root_dir is not None:
            return super().make_archive(base_name, format, root_dir=root_dir, base_dir=base_dir, **more)

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime, member.uid, member.gid, member.uname, member.gname = int(epoch), 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = Path(f"{base_name}.tar.gz")
        with (
            path.open("wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=plain)
        return str(path)


setup(cmdclass={"build_py": BuildPy, "bdist_wheel": Wheel, "sdist": SourceDistribution})
