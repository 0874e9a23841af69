from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images.reals import (
    SPLITS,
    RealSource,
    assign_splits,
    find_files,
    folder_source,
    open_source,
    orl_faces,
)
from fakeoff.arena.images.splits import Grouping

PEOPLE = ("ann", "bob", "cem")


def picture(seed: int, *, width: int = 40, height: int = 48, grey: bool = False) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert("L" if grey else "RGB")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people, two photographs each: the smallest folder that can be split."""
    for index, person in enumerate(PEOPLE):
        (tmp_path / person).mkdir()
        for number in range(2):
            picture(index * 2 + number).save(tmp_path / person / f"{number}.png")
    return tmp_path


def read(folder: Path, *, skip_corrupt: bool = False, grouping: Grouping | None = None) -> RealSource:
    return folder_source(folder, grouping=grouping or Grouping(), skip_corrupt=skip_corrupt)


def names(source: RealSource) -> set[str]:
    return {photograph.name for split in SPLITS for photograph in source.photographs[split]}


def reasons(source: RealSource) -> dict[str, str]:
    return {file.name: file.reason for file in source.left_out}


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def test_persons_are_numbered_over_all_splits() -> None:
    source = orl_faces()
    numbers = {split: source.persons(split) for split in SPLITS}
    assert [len(set(numbers[split])) for split in SPLITS] == [28, 4, 8]
    assert set().union(*numbers.values()) == set(range(40))
    for split in SPLITS:
        named = {photo.group: who for photo, who in zip(source.photographs[split], numbers[split], strict=True)}
        assert len(named) == len(set(named.values()))
        assert [named[photo.group] for photo in source.photographs[split]] == numbers[split]


def test_the_embedded_faces_are_divided_by_person_once_and_for_all() -> None:
    source = orl_faces()
    groups = {split: source.groups(split) for split in SPLITS}
    assert {split: len(people) for split, people in groups.items()} == {"train": 28, "val": 4, "test": 8}
    assert groups["test"] == ("s16", "s17", "s2", "s20", "s21", "s23", "s31", "s32")
    assert len({person for people in groups.values() for person in people}) == 40
    assert {split: len(source.photographs[split]) for split in SPLITS} == {"train": 280, "val": 40, "test": 80}
    hashes = [sha256 for split in SPLITS for sha256 in source.key(split)]
    assert len(set(hashes)) == 400
    assert source.colour == "grey"


def test_the_embedded_faces_pass_the_pipeline_grey() -> None:
    pixels = orl_faces().load("val", resolution=32, colour="grey")
    assert pixels.shape == (40, 32, 32, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels.std() > 20


@given(people=st.sets(st.text("abcdefgh0123", min_size=1, max_size=6), min_size=3, max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_split_gets_somebody_and_the_order_of_names_does_not_matter(people: set[str]) -> None:
    splits = assign_splits(sorted(people))
    assert splits == assign_splits(sorted(people, reverse=True))
    assert set(splits) == people
    counts = [list(splits.values()).count(split) for split in SPLITS]
    assert min(counts) >= 1
    assert counts[0] >= max(counts) - 1


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "b", "a"]])
def test_too_few_groups_are_refused_with_a_way_out(groups: list[str]) -> None:
    with pytest.raises(DataError, match="--split-by file"):
        assign_splits(groups)


def test_a_folder_keeps_each_person_in_one_split(folder: Path) -> None:
    source = read(folder)
    assert source.name == folder.name
    assert source.colour == "rgb"
    assert sorted(group for split in SPLITS for group in source.groups(split)) == list(PEOPLE)
    assert len(names(source)) == 6
    assert source.left_out == ()


def test_split_by_file_divides_a_single_folder(folder: Path) -> None:
    for person in PEOPLE[1:]:
        for path in (folder / person).iterdir():
            path.rename(folder / PEOPLE[0] / f"{person}-{path.name}")
    with pytest.raises(DataError, match="1 group"):
        read(folder)
    source = read(folder, grouping=Grouping(split_by="file"))
    assert [len(source.photographs[split]) for split in SPLITS] == [4, 1, 1]


def test_a_folder_brings_its_own_split(folder: Path) -> None:
    for person, split in zip(PEOPLE, ("test", "train", "val"), strict=True):
        (folder / split).mkdir()
        (folder / person).rename(folder / split / person)
    source = read(folder)
    assert source.groups("test") == (f"test/{PEOPLE[0]}",)
    assert [len(source.photographs[split]) for split in SPLITS] == [2, 2, 2]
    picture(50).save(folder / "beside.png")
    with pytest.raises(
        DataError, match=r"1 image lies beside test/ train/ val/ \(beside.png\).*--split-folders ignore"
    ):
        read(folder)
    mixed = read(folder, grouping=Grouping(split_folders="ignore"))
    assert set(mixed.groups("train") + mixed.groups("val") + mixed.groups("test")) == {*PEOPLE, "."}


def test_a_truncated_jpeg_is_refused_by_name_or_left_out_on_request(folder: Path) -> None:
    path = folder / "ann" / "broken.jpg"
    picture(99, width=200, height=200).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"1 damaged image in .*ann/broken\.jpg \(damaged: .*--skip-corrupt"):
        read(folder)
    source = read(folder, skip_corrupt=True)
    assert reasons(source)["ann/broken.jpg"].startswith("damaged")
    assert len(names(source)) == 6


def test_many_damaged_images_are_counted_and_a_few_named(folder: Path) -> None:
    picture(99, width=200, height=200).save(folder / "whole.jpg")
    data = (folder / "whole.jpg").read_bytes()[:2000]
    for number in range(8):
        (folder / f"broken-{number}.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"8 damaged images.* and 3 more"):
        read(folder)


def test_what_is_no_image_is_left_out_and_named(folder: Path) -> None:
    (folder / "labels.csv").write_text("a,b\n")
    (folder / "ann" / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    (folder / "ann" / "clip.mpg").write_bytes(b"\x00\x00\x01\xba" + bytes(range(256)) * 4)
    Image.new("RGB", (40, 40)).save(folder / "ann" / "page.eps")
    (folder / "empty").mkdir()
    source = read(folder)
    found = reasons(source)
    assert found.pop("labels.csv") == "not an image"
    assert found.pop("ann/model.h5").startswith("an HDF5 file")
    assert found.pop("ann/clip.mpg").startswith("a video: cut frames out of it")
    assert "PostScript" in found.pop("ann/page.eps")
    assert not found
    assert len(names(source)) == 6
    assert "empty" not in {group for split in SPLITS for group in source.groups(split)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"no picture, just words", "not an image, though its name says so"),
        (b"\n <!DOCTYPE html><html>please log in", "an HTML page, .*logging in"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a git-lfs pointer.*git lfs pull"),
    ],
)
def test_what_is_called_a_picture_and_is_none_is_damaged(folder: Path, content: bytes, reason: str) -> None:
    (folder / "ann" / "x.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"1 damaged image in .*ann/x\.jpg \({reason}.*--skip-corrupt"):
        read(folder)
    assert set(reasons(read(folder, skip_corrupt=True))) == {"ann/x.jpg"}


def test_a_tiny_image_is_left_out_with_its_size(folder: Path) -> None:
    picture(50, width=31, height=90).save(folder / "ann" / "tiny.png")
    picture(51, width=32, height=32).save(folder / "ann" / "just.png")
    source = read(folder)
    assert "31x90" in reasons(source)["ann/tiny.png"]
    assert "ann/just.png" in names(source)


def test_the_same_picture_under_two_names_counts_once_even_in_another_format(folder: Path) -> None:
    picture(0).save(folder / "bob" / "copy.bmp")
    source = read(folder)
    assert reasons(source) == {"bob/copy.bmp": "the same picture as ann/0.png"}


def test_hidden_files_are_passed_by_and_links_out_of_the_folder_are_named(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    picture(70).save(elsewhere / "secret.png")
    (folder / "ann" / "link.png").symlink_to(elsewhere / "secret.png")
    (folder / "linked").symlink_to(elsewhere, target_is_directory=True)
    (folder / ".cache").mkdir()
    picture(71).save(folder / ".cache" / "thumb.png")
    picture(72).save(folder / "ann" / ".hidden.png")
    source = read(folder)
    assert len(names(source)) == 6
    assert {name: reason[:24] for name, reason in reasons(source).items()} == dict.fromkeys(
        ("ann/link.png", "linked"), "a link out of the folder"
    )


def test_the_first_folder_is_a_person_however_deep_their_pictures_lie(folder: Path) -> None:
    (folder / "ann" / "2024" / "may").mkdir(parents=True)
    picture(60).save(folder / "ann" / "2024" / "may" / "x.png")
    source = read(folder)
    assert "ann/2024/may/x.png" in names(source)
    assert {group for split in SPLITS for group in source.groups(split)} == set(PEOPLE)
    assert source.layout is not None
    assert source.layout.describe().startswith("7 images of 3 people in 4 folders; split by the hash of names")


def test_a_name_that_is_no_text_is_used_and_can_be_printed(folder: Path) -> None:
    odd = os.fsencode(folder) + b"/ann/caf\xe9\n.png"
    (folder / "ann" / "0.png").rename(os.fsdecode(odd))
    source = read(folder)
    assert "ann/caf\\xe9\\n.png" in names(source)
    split = next(split for split in SPLITS if "ann" in source.groups(split))
    assert source.load(split, resolution=16, colour="rgb").shape == (2, 16, 16, 3)


def test_a_table_divides_a_folder_and_takes_its_fakes_out(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("table") / "people.csv"
    split = dict(zip(PEOPLE, ("test", "Train", "valid"), strict=True))
    rows = [f"{person}/{n}.png,{person},{split[person]},real" for person in PEOPLE for n in range(2)]
    rows[1] = rows[1].replace("real", "fake")
    table.write_text("path,group,split,label\n" + "\n".join(rows[:-1]) + "\n")
    source = read(folder, grouping=Grouping(table=str(table)))
    assert [source.groups(split) for split in SPLITS] == [("bob",), ("cem",), ("ann",)]
    assert reasons(source) == {"ann/1.png": "labelled fake in people.csv", "cem/1.png": "no row in people.csv"}
    assert source.layout is not None
    assert "split given by people.csv" in source.layout.describe()
    with pytest.raises(ConfigError, match="give one"):
        read(folder, grouping=Grouping(table=str(table), group="(.+)/"))


def test_a_pattern_says_who_is_on_images_in_one_folder(tmp_path: Path) -> None:
    for index, person in enumerate(PEOPLE):
        for number in range(2):
            picture(index * 2 + number).save(tmp_path / f"{person}_{number}.png")
    with pytest.raises(DataError, match="--group PATTERN"):
        read(tmp_path)
    source = read(tmp_path, grouping=Grouping(group=r"(.+)_\d+"))
    assert sorted(group for split in SPLITS for group in source.groups(split)) == list(PEOPLE)


@pytest.mark.parametrize("source", ["orl"])
def test_what_has_a_split_of_its_own_takes_no_table(source: str) -> None:
    with pytest.raises(ConfigError, match="of a folder of images"):
        open_source(source, grouping=Grouping(group="(.+)"))


def test_whatever_a_game_takes_is_found_by_name_too(folder: Path) -> None:
    found = find_files("orl")
    assert (len(found), found[0].name) == (400, "s1/1.pgm")
    assert [entry.name for entry in find_files(folder)] == sorted(names(read(folder)))
    with pytest.raises(DataError, match=r"'orl', 'celeba-999'"):
        find_files(folder / "nowhere")


def test_a_folder_of_grey_photographs_is_grey_whatever_their_mode(tmp_path: Path) -> None:
    for index, person in enumerate(PEOPLE):
        (tmp_path / person).mkdir()
        picture(index, grey=True).convert("RGB" if index else "L").save(tmp_path / person / "a.png")
    assert read(tmp_path).colour == "grey"
    picture(9).save(tmp_path / "ann" / "colour.png")
    assert read(tmp_path).colour == "rgb"


def test_a_folder_without_a_usable_image_says_what_it_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable image"):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(DataError, match=r"no usable image .*notes\.txt \(not an image\)"):
        read(tmp_path)


@pytest.mark.parametrize("missing", ["nowhere", "olr"])
def test_an_unknown_source_is_a_configuration_error(missing: str) -> None:
    with pytest.raises(ConfigError, match="unknown source of reals"):
        open_source(missing)


def test_a_file_in_place_of_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no folder of real images"):
        open_source(str(folder / "ann" / "0.png"))


def test_a_file_that_changes_while_it_is_in_use_stops_the_load(folder: Path) -> None:
    source = read(folder)
    split = next(split for split in SPLITS if "ann" in source.groups(split))
    assert source.load(split, resolution=16, colour="rgb").shape == (2, 16, 16, 3)
    picture(80).save(folder / "ann" / "0.png")
    with pytest.raises(DataError, match=r"ann/0\.png changed"):
        source.load(split, resolution=16, colour="rgb")


@pytest.mark.parametrize("pool", ["all/", ""])
def test_a_split_of_links_to_folders_that_are_here_too_is_refused_and_not_lost(tmp_path: Path, pool: str) -> None:
    root = tmp_path / "faces"
    for seed, person in enumerate(("ann", "bob", "cem", "dan")):
        (root / pool / person).mkdir(parents=True)
        picture(seed).save(root / pool / person / "0.png")
    for split, person in (("train", "ann"), ("train", "bob"), ("val", "cem"), ("test", "dan")):
        (root / split).mkdir(exist_ok=True)
        (root / split / person).symlink_to(f"../{pool}{person}")
    with pytest.raises(
        DataError, match=r"is a link to the folder '.*', which lies in here, too, so that the split would be"
    ):
        read(root)
    ignoring = read(root, grouping=Grouping(split_folders="ignore"))
    assert sum(map(len, ignoring.photographs.values())) == 4
    if pool:
        (root / "all").rename(root / ".all")
        for link in [path for path in root.glob("*/*") if path.is_symlink()]:
            link.unlink()
            link.symlink_to(f"../.all/{link.name}")
        assert {photograph.name for photograph in read(root).photographs["test"]} == {"test/dan/0.png"}


def test_somebody_in_two_splits_of_a_table_is_named_with_both_lines(folder: Path) -> None:
    pictures = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table = folder.parent / "people.csv"
    rows = [f"{name},somebody,{'test' if index == 2 else 'train'}" for index, name in enumerate(pictures)]
    table.write_text("\n".join(["path,group,split", *rows]) + "\n")
    with pytest.raises(DataError, match=r"people\.csv, line 4: 'somebody' is in test, and in train in line 2"):
        read(folder, grouping=Grouping(table=str(table)))
