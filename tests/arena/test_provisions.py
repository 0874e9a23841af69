from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players import provisions
from fakeoff.arena.players.plugins import load_plugin_file, provide
from fakeoff.arena.players.provisions import PluginFile, PluginPackage, ProvisionError, environment, installed_package


def test_a_package_is_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explosive").mkdir()
    (tmp_path / "explosive" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "explosive" / "players.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    package = installed_package("explosive.players")
    assert (package.module, package.distribution, package.release) == ("explosive", "explosive", "")
    assert len(package.code) == 64
    assert "explosive" not in sys.modules


def test_in_a_namespace_the_package_below_it_is_what_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / "space" / name).mkdir(parents=True)
        (tmp_path / "space" / name / "__init__.py").write_text(f"NAME = '{name}'")
    monkeypatch.syspath_prepend(str(tmp_path))
    one, other = installed_package("space.one.players"), installed_package("space.other.players")
    assert (one.module, other.module) == ("space.one", "space.other")
    assert one.code != other.code
    (tmp_path / "space" / "other" / "more.py").write_text("")
    assert installed_package("space.one.players") == one
    assert installed_package("space.other.players") != other


def test_a_folder_without_an_init_file_is_code_too_and_an_editors_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "with_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "models" / "net.py").write_text("WIDTH = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = installed_package("with_models.models.net").code
    (package / ".#net.py").symlink_to("somebody@elsewhere")
    (package / "venv").mkdir()
    (package / "venv" / "pyvenv.cfg").write_text("")
    (package / "venv" / "x.py").write_text("")
    assert installed_package("with_models").code == before
    (package / "models" / "net.py").write_text("WIDTH = 2")
    assert installed_package("with_models").code != before


def test_a_single_module_is_its_own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_player.py").write_text("A = 1")
    (tmp_path / "unrelated.py").write_text("B = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = installed_package("lonely_player")
    (tmp_path / "unrelated.py").write_text("B = 2")
    assert installed_package("lonely_player") == before
    (tmp_path / "lonely_player.py").write_text("A = 2")
    assert installed_package("lonely_player").code != before.code


def test_fakeoffs_own_code_is_its_rooms_and_nothing_beside_them() -> None:
    spec = provisions._first_with_code("fakeoff")[1]
    names = {name for name, _ in provisions._code_files(spec, packages_only=True)}
    assert {"cli.py", "__init__.py", "arena/parsers/face_unet.py", "protocols/attack_defend.py"} <= names
    assert not [name for name in names if name.startswith(("tests", ".venv", "scripts", "examples"))]


def test_this_machine_has_what_this_machine_has() -> None:
    for package in environment():
        provide(package)
    assert {package.distribution for package in environment()} == {"fakeoff", "torch", "torchvision", "numpy", "Python"}


@pytest.mark.parametrize("name", ["fakeoff", "torch", "Python"])
def test_another_release_is_refused_by_name_with_both(name: str) -> None:
    here = next(package for package in environment() if package.distribution == name)
    with pytest.raises(ProvisionError) as refused:
        provide(dataclasses.replace(here, release="99.0"))
    assert name in str(refused.value)
    assert "99.0" in str(refused.value)
    assert here.release in str(refused.value)


def test_other_code_of_the_same_release_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edited_player.py").write_text("A = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    drivers = installed_package("edited_player")
    (tmp_path / "edited_player.py").write_text("A = 2")
    with pytest.raises(ProvisionError, match=rf"edited_player differs: .*code {drivers.code[:8]}.*install the same"):
        provide(drivers)


def test_a_package_that_is_not_here_is_refused_with_what_to_install() -> None:
    missing = PluginPackage(distribution="fakeoff-theirs", release="1.2", module="not_here_at_all", code="ab" * 32)
    with pytest.raises(ProvisionError, match=r"has no fakeoff-theirs: .*install fakeoff-theirs 1\.2"):
        provide(missing)


def test_a_file_travels_as_text(tmp_path: Path) -> None:
    path = tmp_path / "travels.py"
    path.write_text("import inspect\nVALUE = 7\ndef f():\n    raise ValueError('from far')\n")
    file = load_plugin_file(path)
    path.unlink()  # as on another machine
    del sys.modules[file.module]
    provide(PluginFile(path=file.path, source=file.source))
    module = sys.modules[file.module]
    assert module.VALUE == 7
    assert module.__file__ == str(path)
    with pytest.raises(ValueError, match="from far") as caught:
        module.f()
    assert "raise ValueError" in str(caught.traceback[-1].statement)  # its lines are shown all the same


def test_a_file_that_fails_leaves_no_module(tmp_path: Path) -> None:
    file = PluginFile(path=str(tmp_path / "fails.py"), source=b"1 / 0")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        provide(file)
    assert file.module not in sys.modules
