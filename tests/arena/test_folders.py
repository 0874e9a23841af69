from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakeoff.arena.images.folders import list_files, printable, walk


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def listed(root: Path) -> dict[str, str]:
    return {entry.name: entry.reason for entry in list_files(root)}


def test_files_come_in_depth_by_name_as_a_sorted_listing_has_them(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/2.png", "a/1.png", "a b/x.png", "a.png", "c/d/e.png")
    assert [entry.name for entry in walk(tmp_path)] == [
        path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*")) if path.is_file()
    ]
    assert all(Path(entry.path).read_bytes() == entry.name.encode() for entry in walk(tmp_path))


def test_what_systems_strew_in_is_passed_by_without_a_word(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "Thumbs.db", "desktop.ini", ".DS_Store", "ann/.thumbnails/a.png")
    touch(tmp_path, "__MACOSX/a.png", "@eaDir/a.png", "$RECYCLE.BIN/a.png", ".git/a.png")
    assert listed(tmp_path) == {"a.png": ""}


def test_a_hub_cache_is_read_by_the_names_of_its_links(tmp_path: Path) -> None:
    touch(tmp_path, "blobs/0a", "blobs/0b", "blobs/0c")
    (tmp_path / "snapshots" / "v1").mkdir(parents=True)
    for name, blob in {"x.jpg": "0a", "y.jpg": "0b", "z.jpg": "0a"}.items():
        (tmp_path / "snapshots" / "v1" / name).symlink_to(f"../../blobs/{blob}")
    found = listed(tmp_path)
    assert [name for name, reason in found.items() if not reason] == [
        "blobs/0c",  # nobody's link leads to it
        "snapshots/v1/x.jpg",
        "snapshots/v1/y.jpg",
    ]
    assert found["snapshots/v1/z.jpg"] == "a link to the same picture as snapshots/v1/x.jpg"
    alone = listed(tmp_path / "snapshots")
    assert all("a link out of the folder" in reason for reason in alone.values())
    assert len(alone) == 3


def test_links_that_divide_pictures_into_splits_are_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "all/1.png", "all/2.png")
    for name in ("train/1.png", "test/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(f"../all/{Path(name).name}")
    assert listed(tmp_path) == {"test/2.png": "", "train/1.png": ""}


def test_another_link_to_a_picture_that_is_there_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "ann/1.png")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "1.png").symlink_to("../ann/1.png")
    assert listed(tmp_path) == {"ann/1.png": "", "best/1.png": "a link to the same picture as ann/1.png"}


def test_links_to_hidden_folders_are_followed_once_and_never_round(tmp_path: Path) -> None:
    touch(tmp_path, ".data/ann/1.png", "bob/1.png")
    for link, target in {"faces": ".data", "again": ".data", "loop": ".", ".data/up": ".."}.items():
        (tmp_path / link).symlink_to(target)
    found = listed(tmp_path)
    assert [name for name, reason in found.items() if not reason] == ["again/ann/1.png", "bob/1.png"]
    assert found["again/up"] == found["loop"] == "a link to the folder '.', which is read once"
    assert found["faces"] == "a link to the folder '.data', which is read once"


def test_a_folder_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.png")
    (tmp_path / "given").symlink_to("real")
    assert listed(tmp_path / "given") == {"1.png": ""}


def test_pipes_sockets_and_dead_links_are_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "to_pipe.png").symlink_to("pipe.png")
    (tmp_path / "dead.png").symlink_to("nowhere.png")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    assert listed(tmp_path) == {
        "dead.png": "a link to what is not there",
        "null.png": "a link to a device",
        "pipe.png": "a pipe",
        "self.png": "a link to what is not there",
        "to_pipe.png": "a link to a pipe",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert listed(tmp_path) == {"a.png": "", "closed": "a folder that cannot be read: Permission denied"}
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_names_can_be_printed_and_ordinary_ones_stay_as_they_are(tmp_path: Path) -> None:
    assert printable("Zoë/写真 1.png") == "Zoë/写真 1.png"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"
    assert printable("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\n"
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.png")
    Path(odd).write_bytes(b"x")
    [entry] = walk(tmp_path)
    assert (entry.name, Path(entry.path).read_bytes()) == ("\\xff\\n.png", b"x")
