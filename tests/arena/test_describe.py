from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.players.entries import Entry
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.players.static.describe import Capabilities, Description, describe, describe_class

KINDS: tuple[tuple[Registry[Any], type, Capabilities], ...] = (
    (generators.players, generators.Generator, generators.abilities),
    (detectors.players, detectors.Detector, detectors.abilities),
    (parsers.parsers, parsers.FaceParser, parsers.capabilities),
)

# Describes all built-in players as a fresh process would, and says which modules that took.
FROM_SOURCE = """
import dataclasses, json, sys
from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.players.static.describe import describe
kinds = (
    (generators.players, generators.Generator, generators.abilities),
    (detectors.players, detectors.Detector, detectors.abilities),
    (parsers.parsers, parsers.FaceParser, parsers.capabilities),
)
described = {
    f"{registry.kind} {entry.name}": dataclasses.asdict(describe(entry, interface=interface, capabilities=words))
    for registry, interface, words in kinds
    for entry in registry
    if entry.origin == "fakeoff"
}
print(json.dumps({"described": described, "modules": sorted(sys.modules)}))
"""

PLAYER = """
from fakeoff.generators import Generator

class Theirs(Generator):
    def sample(self, n, *, rng):
        raise NotImplementedError
"""

PackageMaker = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageMaker:
    """Writes a package of one's own name from files and puts it in reach; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(name: str, **files: str) -> str:
        for stem, text in files.items():
            path = tmp_path / name / f"{stem.replace('__slash__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        return name

    yield make
    for module in set(sys.modules) - before:
        if module.startswith("pkg_"):
            del sys.modules[module]


def _describe(target: str | type, **preset: Any) -> Description:
    entry = Entry(name="theirs", target=target, origin="somewhere", version=1, preset=preset)
    return describe(entry, interface=generators.Generator, capabilities=generators.abilities)


def _names(description: Description) -> tuple[str, ...]:
    assert description.parameters is not None
    return tuple(parameter.name for parameter in description.parameters)


def test_from_source_every_player_that_ships_is_what_it_is_when_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", FROM_SOURCE], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    players = {"fakeoff.generators.pgan", "fakeoff.detectors.xception", "fakeoff.arena.parsers.face_unet"}
    assert not players & set(answer["modules"])
    assert "torchvision" not in answer["modules"]
    loaded = {
        f"{registry.kind} {entry.name}": describe_class(
            registry.load(entry.name), preset=entry.preset, capabilities=words
        )
        for registry, _, words in KINDS
        for entry in registry
        if entry.origin == "fakeoff"
    }
    assert answer["described"] == json.loads(json.dumps({k: dataclasses.asdict(v) for k, v in loaded.items()}))
    assert len(loaded) >= 9


def test_a_description_says_what_pgan_is() -> None:
    entry = generators.players.entry("pgan")
    pgan = describe(entry, interface=generators.Generator, capabilities=generators.abilities)
    assert pgan.summary == "A Progressive GAN of any power-of-two resolution from 16 to 1024 pixels."
    assert pgan.abilities == ("trainable", "attackable", "latent")
    assert pgan.parameters is not None
    parameters = {parameter.name: parameter for parameter in pgan.parameters}
    assert parameters["channels"].type == "1 | 3"
    assert parameters["loss"].type == "'wgan_gp' | 'non_saturating'"  # an alias in another module
    assert parameters["weights"].default == "'pgan-orl-64'"
    assert parameters["features"].doc.endswith("the published model at 1024 pixels has 8192.")  # two lines of Args
    assert all(parameter.doc for parameter in pgan.parameters)


def test_what_the_name_fixes_is_no_parameter() -> None:
    entry = detectors.players.entry("xception_block3")
    description = describe(entry, interface=detectors.Detector, capabilities=detectors.abilities)
    assert _names(description) == ("learning_rate", "init_seed", "decision")


INIT = "from .players import MyGAN as MyGAN\n"
PLAYERS = '''
from __future__ import annotations

import typing as t
from pathlib import Path
from typing import Optional

import torch
from fakeoff.generators import Generator, register

from . import types_of_mine as mine
from .base import *

_SIZE = 32

@register("pkg_mine")
class MyGAN(Adversarial):
    """Makes fakes.

    It is trained.

    Args:
        size: Of the images,
            in pixels.
    """

    RATE = 0.5

    def __init__(self, size: "int", *, loss: mine.Loss = "hinge", rate: float = RATE, smallest: int = _SIZE,
                 folder: Optional[Path] = None, also: t.Union[int, str, None] = None, names: list[str] = [],
                 device: torch.device | None = None, untyped=3, **more: int) -> None:
        """Builds it.

        Args:
            loss: Which.
        """
        super().__init__()

    def decode(self, z): ...

class Heir(MyGAN):
    """Inherits its constructor.

    Args:
        rate: Its own words.
    """

    manipulate = None

class Bare(Generator): ...
'''
BASE = """
from fakeoff.generators.interface import Generator
__all__ = ["Adversarial"]
class Adversarial(Generator):
    def train_step(self, reals, *, rng, extra_loss=None): ...
"""
TYPES = 'from typing import Literal\nLoss = Literal["hinge", "log"]\n'


@pytest.mark.parametrize("target", ["pkg_a:MyGAN", "pkg_a.players:MyGAN", "pkg_a.players:Heir", "pkg_a.players:Bare"])
def test_source_and_class_say_the_same_of_somebody_elses_player(package: PackageMaker, target: str) -> None:
    package("pkg_a", __init__=INIT, players=PLAYERS, base=BASE, types_of_mine=TYPES)
    from_source = _describe(target)
    assert not [module for module in sys.modules if module.startswith("pkg_a")]
    module, _, name = target.partition(":")
    try:
        assert _describe(getattr(importlib.import_module(module), name)) == from_source
        assert _describe(target) == from_source  # its module is loaded now
    finally:
        generators.players.forget("pkg_a.players")
    assert from_source.problem == ""
    assert from_source.parameters is not None


def test_bases_aliases_and_constants_are_followed_from_file_to_file(package: PackageMaker) -> None:
    # A player that cannot be imported at all is described all the same: nothing of it runs.
    package("pkg_b", __init__=INIT, players=PLAYERS + "\nraise SystemExit\n", base=BASE, types_of_mine=TYPES)
    description = _describe("pkg_b:MyGAN", also=1)
    assert description.summary == "Makes fakes."
    assert description.abilities == ("trainable", "attackable", "latent")
    assert description.parameters is not None
    written = [(p.name, p.type, p.default, p.required, p.doc) for p in description.parameters]
    assert written == [
        ("size", "int", "", True, "Of the images, in pixels."),
        ("loss", "'hinge' | 'log'", "'hinge'", False, "Which."),
        ("rate", "float", "0.5", False, ""),
        ("smallest", "int", "32", False, ""),
        ("folder", "Path | None", "None", False, ""),
        ("names", "list[str]", "[]", False, ""),
        ("device", "device | None", "None", False, ""),
        ("untyped", "", "3", False, ""),
    ]
    heir = _describe("pkg_b.players:Heir")
    assert heir.abilities == ("trainable", "attackable", "latent", "manipulator")
    assert heir.parameters is not None
    assert {p.name: p.doc for p in heir.parameters if p.doc} == {
        "size": "Of the images, in pixels.",
        "loss": "Which.",
        "rate": "Its own words.",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import dataclasses\n@dataclasses.dataclass\nclass Theirs(Generator):\n    size: int = 1\n", ""),
        ("from functools import cache\nTheirs = cache(Generator)\n", ""),
        ("def build(): ...\nTheirs = build()\n", ""),
        ("try:\n    from numpy import Base\nexcept ImportError:\n    Base = Generator\nclass Theirs(Base): ...\n", ""),
        ("class Theirs(Generator):\n    if __debug__:\n        def decode(self, z): ...\n", ""),
        ("class Theirs(Generator): ...\nTheirs.decode = lambda self, z: z\n", ""),
        ("def base(): ...\nclass Theirs(base()): ...\n", ""),
        ("def __getattr__(name): ...\n", ""),
        (
            "import functools\nclass Theirs(Generator):\n    @functools.cache\n    def __init__(self): ...\n",
            "abilities",
        ),
    ],
)
def test_what_only_running_the_code_would_tell_is_left_open(package: PackageMaker, text: str, told: str) -> None:
    package("pkg_c", players=f"from fakeoff.generators import Generator\n{text}")
    description = _describe("pkg_c.players:Theirs")
    assert description.parameters is None
    assert (description.abilities is not None) == (told == "abilities")
    assert description.problem == ""


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("pkg_nowhere.players:Theirs", "no module pkg_nowhere"),
        ("pkg_d.nowhere:Theirs", "no module pkg_d.nowhere"),
        ("pkg_d.players:Nobody", "pkg_d.players has no Nobody"),
        ("pkg_d.players:helper", "pkg_d.players:helper is no class"),
        ("pkg_d.players", "'pkg_d.players' is no class path; write package.module:Class"),
        ("pkg_d.broken:Theirs", "pkg_d.broken does not parse, line 2: invalid syntax"),
        ("pkg_d.other:Theirs", "Theirs does not derive from fakeoff.generators.Generator"),
        ("pkg_d.orphan:Theirs", "no module pkg_elsewhere"),
        ("pkg_d.circle:Theirs", "pkg_d.circle has no Theirs"),
    ],
)
def test_what_cannot_load_has_its_cause_said(package: PackageMaker, target: str, problem: str) -> None:
    package(
        "pkg_d",
        players=f"{PLAYER}\ndef helper(): ...\n",
        broken="class Theirs\n    pass pass\n".replace("Theirs\n", "Theirs:\n"),
        other="from fakeoff.detectors import Detector\nclass Theirs(Detector): ...\n",
        orphan="from pkg_elsewhere import Base\nclass Theirs(Base): ...\n",
        circle="from pkg_d.back import Theirs\n",
        back="from pkg_d.circle import Theirs\n",
    )
    assert _describe(target).problem == problem


def test_deriving_a_stand_in_runs_no_hook_of_a_class_that_is_loaded(
    package: PackageMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    hooked = "class Hooked:\n    def __init_subclass__(cls): print('ran')\n    def decode(self, z): ...\n"
    package("pkg_e", hooks=hooked, players=f"from pkg_e.hooks import Hooked\n{PLAYER.replace('(G', '(Hooked, G')}")
    importlib.import_module("pkg_e.hooks")
    assert _describe("pkg_e.players:Theirs").abilities == ("latent", "fixed")
    assert capsys.readouterr().out == ""
    importlib.import_module("pkg_e.players")
    assert capsys.readouterr().out == "ran\n"


def test_a_package_within_a_namespace_is_found(package: PackageMaker) -> None:
    package("pkg_f", inner__slash__deeper__slash__players=PLAYER)
    assert _describe("pkg_f.inner.deeper.players:Theirs") == Description(parameters=(), abilities=("fixed",))


def test_a_type_that_holds_itself_is_written_once(package: PackageMaker) -> None:
    init = "    def __init__(self, tree: 'Tree' = 1) -> None: ...\n"
    package("pkg_g", players=f"Tree = list['Tree'] | int\n{PLAYER}{init}")
    description = _describe("pkg_g.players:Theirs")
    assert description.parameters is not None
    assert description.parameters[0].type == "list[Tree] | int"


def test_a_player_of_a_plugin_file_is_described_from_its_class(toys: Path) -> None:
    load_plugin_file(toys)
    description = _describe(generators.players.entry("toy_generator").target)
    assert description.summary == "Noise around a learned mean face; it learns the mean of the reals."
    assert _names(description) == ("resolution", "generator_lr", "noise")
    assert description.abilities == ("trainable", "attackable")


def test_a_docstring_that_is_no_text_does_not_stop_the_list() -> None:
    class Odd(generators.Generator):
        __doc__ = property(lambda self: "each its own")  # type: ignore[assignment]

    described = describe_class(Odd, preset={}, capabilities=generators.abilities)
    assert described.summary == ""
