"""What a job's players need on the machine where it runs: plugin files, which travel with it, and installed packages.

Jobs may run on another machine. A file is shipped as text. A package must be installed there, with the same code: a
player that behaves otherwise than the driver believes would make figures that nobody can reproduce.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TypeAlias

from fakeoff.arena.errors import PluginError


@dataclass(frozen=True, kw_only=True)
class PluginFile:
    """A user's Python file.

    Attributes:
        path: Where it lies on the driver's machine; for people.
        source: Its text.
    """

    path: str
    source: bytes

    @functools.cached_property
    def sha256(self) -> str:
        """Of the text: the version of the players in it."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def module(self) -> str:
        """What its module is called; its hash is in it, so that two texts are two modules."""
        return f"fakeoff_plugin_{Path(self.path).stem}_{self.sha256[:12]}"


@dataclass(frozen=True, kw_only=True)
class PluginPackage:
    """An installed package.

    Attributes:
        distribution: Its name to the installer; the module's where it was not installed as a distribution.
        release: The distribution's version, for people.
        module: The package or module that holds the code.
        code: The sha256 of all of its Python files.
    """

    distribution: str
    release: str
    module: str
    code: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.release or '(no release)'} (code {self.code[:8]})"


# In a checkout our package's folder is the repository, where tests and much else lie beside the rooms.
_OURS = "fakeoff"

Provision: TypeAlias = PluginFile | PluginPackage


class ProvisionError(PluginError):
    """A worker has not the code that the driver has. Nobody's forfeit: the machines have to be mended."""


def installed_package(module: str, *, distribution: str = "") -> PluginPackage:
    """Finds the package that a module belongs to. Nothing is imported.

    Args:
        module: Dotted.
        distribution: Its name to the installer, where that is known; looking it up takes a while.

    Raises:
        ImportError: There is none.
    """
    unit, spec = _first_with_code(module)
    if not distribution:
        top = unit.partition(".")[0]
        distribution = next(iter(_distributions(tuple(sys.path)).get(top, [])), unit)
    try:
        release = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        release = ""
    return PluginPackage(
        distribution=distribution, release=release, module=unit, code=_code_hash(spec, packages_only=unit == _OURS)
    )


@functools.cache  # it reads the file lists of everything that is installed
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def environment() -> tuple[PluginPackage, ...]:
    """What every worker must have as the driver has it: Fakeoff itself, PyTorch, NumPy and the interpreter.

    Only Fakeoff's own code is hashed; of the libraries the releases are compared.
    """
    libraries = ("torch", "torchvision", "numpy")
    return (
        installed_package("fakeoff", distribution="fakeoff"),
        *(PluginPackage(distribution=x, release=importlib.metadata.version(x), module=x, code="") for x in libraries),
        PluginPackage(distribution="Python", release=platform.python_version(), module="", code=""),
    )


@functools.cache  # a process has imported what it has
def compare(wanted: PluginPackage) -> None:
    """Holds this machine to the driver's.

    Raises:
        ProvisionError: A package is missing here, or has other code or another release.
    """
    host = platform.node()
    try:
        found = next((package for package in environment() if package.distribution == wanted.distribution), None)
        found = found or installed_package(wanted.module, distribution=wanted.distribution)
    except (ImportError, importlib.metadata.PackageNotFoundError) as error:
        raise ProvisionError(
            f"the worker on {host} has no {wanted.distribution}: {error}; install {wanted} there"
        ) from error
    if (found.code, found.release) != (wanted.code, wanted.release):
        raise ProvisionError(
            f"{wanted.distribution} differs: the driver has {_words(wanted)}, the worker on {host} has "
            f"{_words(found)}; install the same on both"
        )


def _words(package: PluginPackage) -> str:
    return str(package).removeprefix(f"{package.distribution} ") if package.code else package.release


def _first_with_code(module: str) -> tuple[str, ModuleSpec]:
    """The first of a dotted name's prefixes that is more than a namespace, found without importing it."""
    path: list[str] | None = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            # For a name without dots this asks every finder, those of editable installs too, and imports nothing.
            spec = importlib.util.find_spec(name) if path is None else PathFinder.find_spec(name, path)
        except ValueError:  # a module that somebody made by hand
            spec = None
        if spec is None:
            raise ModuleNotFoundError(f"no module named '{name}'")
        if spec.origin is not None and spec.has_location:
            return name, spec
        path = list(spec.submodule_search_locations or [])
    raise ModuleNotFoundError(f"'{module}' holds no code")


def _code_hash(spec: ModuleSpec, *, packages_only: bool) -> str:
    sha256 = hashlib.sha256()
    for name, path in _code_files(spec, packages_only=packages_only):
        sha256.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return sha256.hexdigest()


def _code_files(spec: ModuleSpec, *, packages_only: bool) -> Iterator[tuple[str, Path]]:
    """All code that can be imported from a package, by a name that is the same on every machine."""
    assert spec.origin is not None
    if not spec.submodule_search_locations:
        yield Path(spec.origin).name, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        for folder, subfolders, files in os.walk(location):
            here = Path(folder)
            subfolders[:] = sorted(name for name in subfolders if _is_package(here / name, strictly=packages_only))
            for name in sorted(files):
                if name.endswith((".py", ".so", ".pyd")) and not name.startswith("."):
                    yield (here / name).relative_to(location).as_posix(), here / name


def _is_package(folder: Path, *, strictly: bool) -> bool:
    if strictly:
        return (folder / "__init__.py").is_file()
    # Without an __init__.py it can be imported all the same.
    return folder.name.isidentifier() and folder.name != "__pycache__" and not (folder / "pyvenv.cfg").exists()
