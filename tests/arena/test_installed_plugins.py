"""Players of installed packages: entry points and class paths, from real distributions on the path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import nn

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.specs import write_spec
from fakeoff.generators import Generator

PLAYERS = """
from fakeoff.generators import Generator

class MyGAN(Generator):
    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution

class NoPlayer:
    pass

def build():
    return MyGAN()
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays a distribution where Python finds it, as an installer does."""

    def lay(
        name: str, *, entry_points: str = "", code: str = PLAYERS, release: str = "0.1.0", module: str = "players"
    ) -> Path:
        site = tmp_path / f"site-{name}-{release}"
        package = site / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / f"{module}.py").write_text(code)
        info = site / f"{name}-{release}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")
        (info / "entry_points.txt").write_text(entry_points)
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/{module}.py,,\n")
        monkeypatch.syspath_prepend(str(site))
        return site

    yield lay
    for name in [name for name in sys.modules if name.startswith("theirs")]:
        del sys.modules[name]


def a_registry() -> Registry[Generator]:
    registry: Registry[Generator] = Registry("generator", interface=Generator, group="fakeoff.generators")
    registry.add("pgan", "fakeoff.generators.pgan:ProgressiveGAN", origin="fakeoff", version=1)
    return registry


def entry_points(name: str, target: str) -> str:
    return f"[fakeoff.generators]\n{name} = {target}\n"


def test_an_entry_point_is_listed_with_its_package_and_nothing_of_it_is_imported(install: Install) -> None:
    install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"), release="0.3.1")
    registry = a_registry()
    entry = registry.entry("their_gan")
    assert (entry.origin, entry.release, entry.target) == ("theirs", "0.3.1", "theirs.players:MyGAN")
    assert "their_gan" in [found.name for found in registry]
    assert not [name for name in sys.modules if name.startswith("theirs")]
    assert registry.build("their_gan", {"resolution": 32}).resolution == 32
    assert "theirs.players" in sys.modules


def test_a_class_path_needs_no_registration(install: Install) -> None:
    install("theirs", release="2.0")
    spec = write_spec(a_registry(), name="g", plugin="theirs.players:MyGAN", parameters={})
    assert spec.parameters == {"resolution": 16}
    entry = a_registry().entry("theirs.players:MyGAN")
    assert (entry.origin, entry.release) == ("theirs", "2.0")


def test_the_code_of_the_package_is_part_of_a_players_identity(install: Install) -> None:
    site = install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"))

    def identities() -> list[object]:
        names = ("their_gan", "theirs.players:MyGAN")
        return [
            write_spec(a_registry(), name="g", plugin=name, parameters={}).identity()["fingerprint"] for name in names
        ]

    first = identities()
    assert first[0] == first[1]  # however it came in
    (site / "theirs" / "notes.txt").write_text("no code")
    (site / "theirs" / "__pycache__" / "x.py").parent.mkdir(exist_ok=True)
    (site / "theirs" / "__pycache__" / "x.py").write_text("no package")
    assert identities() == first
    (site / "theirs" / "layers.py").write_text("WIDTH = 3\n")
    assert identities() != first


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "theirs.players:NoPlayer",
            "is no generator: the class NoPlayer must derive from fakeoff.generators.Generator",
        ),
        ("theirs.players:build", "is no class but function"),
        ("theirs.players:Missing", "has no attribute 'Missing'"),
        ("theirs.gone:MyGAN", "No module named 'theirs.gone'"),
        ("nowhere.players:MyGAN", "no module named 'nowhere'; is its package installed?"),
        ("theirs.players:MyGAN()", "is no class path; write package.module:Class"),
        ("../theirs:MyGAN", "is no class path"),
        ("shutil:rmtree", "is no class but function"),
        ("collections:OrderedDict", "is no generator"),
    ],
)
def test_a_class_path_that_leads_to_no_player_is_refused_with_the_reason(
    install: Install, path: str, said: str
) -> None:
    install("theirs")
    with pytest.raises(PluginError) as refused:
        a_registry().load(path)
    assert said in str(refused.value)
    assert path in str(refused.value)


def test_two_packages_that_claim_a_name_are_both_named_and_only_that_name_is_lost(install: Install) -> None:
    install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"))
    both = "[fakeoff.generators]\ntheir_gan = theirs_too.players:MyGAN\nother = theirs_too.players:MyGAN\n"
    install("theirs_too", entry_points=both, release="0.2.0")
    registry = a_registry()
    with pytest.raises(PluginError) as refused:
        registry.load("their_gan")
    assert "theirs 0.1.0 (theirs.players:MyGAN)" in str(refused.value)
    assert "theirs_too 0.2.0 (theirs_too.players:MyGAN)" in str(refused.value)
    assert {entry.origin for entry in registry.contested["their_gan"]} == {"theirs", "theirs_too"}
    assert registry.load("other").__module__ == "theirs_too.players"
    assert registry.load("theirs.players:MyGAN").__module__ == "theirs.players"  # the way out that the message names


def test_a_package_may_not_take_the_name_of_one_that_ships(install: Install) -> None:
    install("theirs", entry_points=entry_points("pgan", "theirs.players:MyGAN"))
    with pytest.raises(PluginError, match=r"'pgan': one from fakeoff, one from theirs 0\.1\.0"):
        a_registry().load("pgan")


def test_a_class_that_is_an_entry_point_and_decorated_as_well_is_one_player(install: Install) -> None:
    code = PLAYERS.replace("class MyGAN", '@players.register("their_gan")\nclass MyGAN')
    code = code.replace(
        "from fakeoff.generators import Generator", "from registry_of_the_test import players, Generator"
    )
    install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"), code=code)
    registry = a_registry()
    module = type(sys)("registry_of_the_test")
    module.players, module.Generator = registry, Generator  # type: ignore[attr-defined]
    sys.modules["registry_of_the_test"] = module
    try:
        assert registry.load("their_gan").__name__ == "MyGAN"
    finally:
        del sys.modules["registry_of_the_test"]


def test_a_package_that_does_not_import_stops_only_who_needs_it(install: Install) -> None:
    install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"), code="import no_such_library\n")
    registry = a_registry()
    assert {entry.name for entry in registry} >= {"pgan", "their_gan"}
    assert registry.load("pgan")
    with pytest.raises(PluginError) as refused:
        registry.load("their_gan")
    assert "'their_gan' from theirs 0.1.0 (theirs.players:MyGAN) does not load" in str(refused.value)
    assert "No module named 'no_such_library'" in str(refused.value)


def test_what_an_unknown_name_may_mean_includes_installed_players(install: Install) -> None:
    install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"))
    with pytest.raises(PluginError, match="did you mean 'their_gan'"):
        a_registry().load("thier_gan")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "@x", "x" * 65])
def test_a_name_that_could_not_be_typed_is_refused(name: str) -> None:
    registry: Registry[nn.Module] = Registry("detector")
    with pytest.raises(PluginError, match="cannot be the name of a detector"):
        registry.register(name)


def test_a_decorated_class_of_another_kind_is_refused() -> None:
    with pytest.raises(PluginError, match=r"'x' from .* is no generator: the class Linear"):
        a_registry().register("x")(nn.Linear)


def test_entry_points_are_found_by_a_fresh_interpreter(install: Install) -> None:
    site = install("theirs", entry_points=entry_points("their_gan", "theirs.players:MyGAN"))
    code = "from fakeoff.generators import players; print(players.build('their_gan', {}).resolution)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(site), "PATH": ""}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "16", done.stderr
