from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field
from torch import nn

from fakeoff import generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.entries import Family
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry

PLUGIN = """
from fakeoff.generators import Generator, register

@register("{name}")
class Theirs(Generator):
    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution
"""


class Player(nn.Module):
    def __init__(
        self,
        *,
        size: int,
        rate: float = 1e-3,
        loss: Literal["hinge", "log"] = "log",
        weights: str | None = None,
        fast: bool = False,
    ) -> None:
        super().__init__()
        self.given = (size, rate, loss, weights, fast)


@pytest.fixture
def registry() -> Registry[nn.Module]:
    registry: Registry[nn.Module] = Registry("generator")
    registry.register("mine")(Player)
    return registry


def test_players_are_imported_only_when_they_are_asked_for() -> None:
    registry: Registry[nn.Module] = Registry("detector")
    sys.modules.pop("mailbox", None)
    registry.add("lazy", "mailbox:Mailbox", origin="somewhere", version=1)
    assert "lazy" in registry
    assert [entry.name for entry in registry] == ["lazy"]
    assert "mailbox" not in sys.modules
    registry.load("lazy")
    assert "mailbox" in sys.modules


def test_players_are_listed_by_name(registry: Registry[nn.Module]) -> None:
    registry.add("z", "nowhere:Z", origin="a", version=1)
    registry.add("a", "nowhere:A", origin="z", version=1)
    assert [entry.name for entry in registry] == ["a", "mine", "z"]


def test_two_players_of_one_name_are_refused_with_both_origins(registry: Registry[nn.Module]) -> None:
    registry.add("pgan", "first.module:GAN", origin="the first package", version=1)
    with pytest.raises(PluginError, match=r"two generators are called 'pgan'.*the first package.*the second"):
        registry.add("pgan", "second.module:GAN", origin="the second", version=1)
    with pytest.raises(PluginError, match=f"the first package, one from {__name__}"):
        registry.register("pgan")(Player)
    assert registry.entry("pgan").origin == "the first package"


def test_an_unknown_name_gets_a_suggestion_where_one_is_near(registry: Registry[nn.Module]) -> None:
    with pytest.raises(PluginError, match=r"unknown generator 'mnie'; did you mean 'mine'\?"):
        registry.entry("mnie")
    with pytest.raises(PluginError, match="unknown generator 'completely-else'") as caught:
        registry.load("completely-else")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("target", ["no_such_package.module:GAN", "colorsys:NoSuchClass"])
def test_a_player_that_does_not_import_is_a_plugin_error_with_its_origin(target: str) -> None:
    registry: Registry[nn.Module] = Registry("detector")
    registry.add("broken", target, origin="their package", version=1)
    with pytest.raises(PluginError, match="detector 'broken' from their package does not load"):
        registry.load("broken")


def test_defaults_complete_the_parameters(registry: Registry[nn.Module]) -> None:
    complete = registry.complete("mine", {"size": 3, "loss": "hinge"})
    assert complete == {"size": 3, "rate": 1e-3, "loss": "hinge", "weights": None, "fast": False}
    player = registry.build("mine", complete)
    assert isinstance(player, Player)
    assert player.given == (3, 1e-3, "hinge", None, False)


def test_a_missing_parameter_is_named(registry: Registry[nn.Module]) -> None:
    with pytest.raises(PluginError, match="'mine' needs the parameter 'size'"):
        registry.complete("mine", {"rate": 1})


def test_an_unknown_parameter_is_refused_with_a_suggestion_and_what_there_is(registry: Registry[nn.Module]) -> None:
    with pytest.raises(PluginError, match=r"no parameter 'rats'; did you mean 'rate'\?.*size, rate, loss"):
        registry.complete("mine", {"size": 3, "rats": 1})


@pytest.mark.parametrize(
    "wrong", [{"size": "big"}, {"size": 1.5}, {"rate": "fast"}, {"loss": "l2"}, {"weights": 3}, {"fast": "perhaps"}]
)
def test_a_parameter_of_the_wrong_type_is_refused_by_name(registry: Registry[nn.Module], wrong: dict[str, str]) -> None:
    (key,) = wrong
    with pytest.raises(PluginError, match=f"'mine': parameter '{key}' = "):
        registry.complete("mine", {"size": 3, **wrong})


def test_a_parameter_may_say_more_than_its_type() -> None:
    class Bounded(nn.Module):
        def __init__(self, *, width: Annotated[int, Field(ge=1)] = 3) -> None:
            super().__init__()

    registry: Registry[nn.Module] = Registry("detector")
    registry.register("bounded")(Bounded)
    assert registry.complete("bounded", {"width": 1}) == {"width": 1}
    with pytest.raises(PluginError, match="'bounded': parameter 'width' = 0: Input should be"):
        registry.complete("bounded", {"width": 0})


def test_whole_numbers_serve_as_floats(registry: Registry[nn.Module]) -> None:
    rate = registry.complete("mine", {"size": 3, "rate": 1})["rate"]
    assert isinstance(rate, float)


def test_a_preset_is_fixed_by_the_name_and_is_no_parameter() -> None:
    registry: Registry[nn.Module] = Registry("generator")
    registry.add("small", f"{__name__}:Player", origin="here", version=1, preset={"size": 8})
    assert [parameter.name for parameter in registry.parameters("small")] == ["rate", "loss", "weights", "fast"]
    player = registry.build("small", {})
    assert isinstance(player, Player)
    assert player.given[0] == 8
    with pytest.raises(PluginError, match="no parameter 'size'"):
        registry.complete("small", {"size": 9})


def test_every_built_in_player_loads_and_takes_its_own_defaults() -> None:
    from fakeoff import detectors

    for registry in (generators.players, detectors.players):
        built_in = [entry for entry in registry if entry.origin == "fakeoff"]
        assert built_in
        for entry in built_in:
            if entry.name == "fixed":  # it is what its file is
                with pytest.raises(PluginError, match="detector 'fixed': name a file: model = "):
                    registry.complete(entry.name, {})
                continue
            complete = registry.complete(entry.name, {})
            assert not set(complete) & set(entry.preset)


def test_a_plugin_file_registers_its_players_once_and_its_text_is_their_version(tmp_path: Path) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(PLUGIN.format(name="registry_test_once"))
    load_plugin_file(path)
    load_plugin_file(path)
    entry = generators.players.entry("registry_test_once")
    assert Path(entry.origin).name == "theirs.py"
    assert isinstance(entry.version, str)
    assert len(entry.version) == 64
    assert generators.players.build("registry_test_once", {"resolution": 32}).resolution == 32


def test_a_copy_of_a_plugin_file_under_another_name_is_a_collision_that_names_both(tmp_path: Path) -> None:
    for name in ("one.py", "other.py"):
        (tmp_path / name).write_text(PLUGIN.format(name="registry_test_twice"))
    load_plugin_file(tmp_path / "one.py")
    for _ in range(2):  # the refused file is not taken for loaded
        with pytest.raises(PluginError, match=r"one from .*one\.py, one from .*other\.py"):
            load_plugin_file(tmp_path / "other.py")


def test_a_plugin_may_not_take_a_built_in_name(tmp_path: Path) -> None:
    path = tmp_path / "thief.py"
    path.write_text(PLUGIN.format(name="pgan"))
    with pytest.raises(PluginError, match=r"'pgan': one from fakeoff, one from .*thief\.py"):
        load_plugin_file(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_package\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
    ],
)
def test_a_plugin_file_that_does_not_import_is_a_plugin_error(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "broken_plugin.py"
    path.write_text(text)
    before = set(sys.modules)
    for _ in range(2):
        with pytest.raises(PluginError, match=f"{path}.*{reason}"):
            load_plugin_file(path)
    assert not {name for name in set(sys.modules) - before if name.startswith("fakeoff_plugin_")}


def test_a_plugin_file_must_exist_and_be_python(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="No such file"):
        load_plugin_file(tmp_path / "missing.py")
    with pytest.raises(PluginError, match="cannot be read"):
        load_plugin_file(tmp_path)
    (tmp_path / "plugin.txt").write_text("x = 1")
    with pytest.raises(PluginError, match="not a Python file"):
        load_plugin_file(tmp_path / "plugin.txt")


def test_a_plugin_file_that_fails_half_way_leaves_nothing_and_can_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "half.py"
    path.write_text(PLUGIN.format(name="half_way") + "\nraise RuntimeError('unfinished')\n")
    with pytest.raises(PluginError, match="unfinished"):
        load_plugin_file(path)
    assert "half_way" not in generators.players
    path.write_text(PLUGIN.format(name="half_way"))
    load_plugin_file(path)
    first = generators.players.entry("half_way").version
    path.write_text(PLUGIN.format(name="half_way") + "\n# edited\n")
    load_plugin_file(path)
    assert generators.players.entry("half_way").version != first
    generators.players.forget(str(path))


class Sized(nn.Module):
    def __init__(
        self, *, size: Annotated[str, AfterValidator(lambda size: _known_size(size))], rate: float = 1e-3
    ) -> None:
        super().__init__()
        self.size = size

    @classmethod
    def check_parameters(cls, parameters: Mapping[str, object]) -> None:
        if parameters["size"] == "small" and parameters["rate"] == 3:
            raise ValueError("a small one does not take that rate")


def _known_size(size: str) -> str:
    if size not in ("small", "large"):
        raise ValueError(f"there is no size '{size}'")
    return size


@pytest.fixture
def with_family(registry: Registry[nn.Module]) -> Registry[nn.Module]:
    family = Family(prefix="sized", target=f"{__name__}:Sized", origin="here", version=4, argument="size")
    registry.add_family(family)
    return registry


def test_a_member_of_a_family_is_a_player_whose_name_fixes_one_argument(with_family: Registry[nn.Module]) -> None:
    assert "sized:small" in with_family
    assert "sized:" not in with_family
    assert "sized" not in with_family
    assert with_family.complete("sized:small", {"rate": 2}) == {"rate": 2.0}
    player = with_family.build("sized:large", {"rate": 2.0})
    assert isinstance(player, Sized)
    assert player.size == "large"
    assert with_family.fingerprint("sized:large") == {"version": 4, "preset": {"size": "large"}}
    assert with_family.provision("sized:large") is None
    assert [entry.name for entry in with_family] == ["mine"]
    assert [family.pattern.name for family in with_family.families] == ["sized:SIZE"]


def test_a_family_says_what_is_no_member_of_it(with_family: Registry[nn.Module]) -> None:
    with pytest.raises(PluginError, match="'sized:tiny': parameter 'size' = 'tiny': there is no size 'tiny'"):
        with_family.complete("sized:tiny", {})
    with pytest.raises(PluginError, match="no parameter 'size'"):
        with_family.complete("sized:small", {"size": "large"})
    with pytest.raises(PluginError, match=r"unknown generator 'sizes:small'; did you mean 'sized'\?"):
        with_family.entry("sizes:small")
    with pytest.raises(PluginError, match="two families of generators are called 'sized'"):
        with_family.add_family(with_family.families[0])


def test_a_family_leaves_class_paths_alone(with_family: Registry[nn.Module]) -> None:
    with pytest.raises(PluginError, match="no module named 'no_such_package'"):
        with_family.entry("no_such_package:Nobody")


def test_parameters_that_do_not_go_together_are_refused_before_anything_is_built(
    with_family: Registry[nn.Module],
) -> None:
    assert with_family.complete("sized:large", {"rate": 3})
    with pytest.raises(PluginError, match=r"^generator 'sized:small': a small one does not take that rate$"):
        with_family.complete("sized:small", {"rate": 3})
