from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.kinds import examine, kind_by_name, picture_formats, picture_suffixes


@pytest.mark.parametrize(
    ("name", "head", "reason"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic", "HEIC"),
        ("iphone.jpg", b"\0\0\0\x18ftypmif1", "HEIC"),
        ("a.mp4", b"\0\0\0\x18ftypisom", "a video"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", "a video"),
        ("a.mkv", b"\x1aE\xdf\xa3", "a video"),
        ("a.mpg", b"\0\0\x01\xba", "a video"),
        ("a.mov", b"nothing known", "a video"),
        ("a.dng", b"II*\0", "a camera's raw file"),
        ("a.eps", b"%!PS-Adobe-3.0", "PostScript"),
        ("a.pdf", b"%PDF-1.7", "a PDF"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        ("a.npy", b"\x93NUMPY", "a NumPy array"),
        ("a.jxl", b"\xff\x0a", "JPEG XL"),
        ("a.zip", b"PK\x03\x04", "an archive"),
        ("a.txt", b"P.S. words", "not an image"),
        ("a.html", b"<html>", "an HTML page"),
        ("empty", b"", "an empty file"),
    ],
)
def test_what_is_no_picture_has_a_name_and_is_not_damaged(tmp_path: Path, name: str, head: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(head)
    unfit = examine(tmp_path / name)
    assert unfit is not None
    assert reason in unfit.reason
    assert not unfit.damaged


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "QOI", "AVIF"])
@pytest.mark.parametrize("suffix", ["", ".jpg_large"])
def test_pictures_without_a_name_for_it_are_known_by_content(tmp_path: Path, kind: str, suffix: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    path = tmp_path / f"0a1b{suffix}"
    Image.new("RGB", (40, 40), (9, 90, 200)).save(path, format=kind)
    assert examine(path) is None
    assert read_image(path).size == (40, 40)


def test_avif_in_a_container_of_pictures_is_no_heic(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf")
    assert examine(tmp_path / "a.bin") is None


def test_every_format_that_is_read_is_looked_for_by_its_suffix() -> None:
    assert {".jpg", ".png", ".webp", ".tif", ".bmp", ".avif", ".jp2", ".pgm"} <= picture_suffixes()
    assert not picture_suffixes() & {".eps", ".ps", ".mpg", ".h5", ".wmf", ".iim", ".grib", ".bufr"}
    assert not set(picture_formats()) & {"EPS", "WMF", "IPTC", "MPEG", "HDF5", "GRIB", "BUFR", "FPX", "MIC"}


def test_no_postscript_interpreter_is_started_for_what_is_inside_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An IPTC file holds a file of any format, which Pillow would open whatever it is."""
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n"

    def field(record: int, number: int, data: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data

    header = [(60, b"\1\0"), (20, struct.pack(">H", 40)), (30, struct.pack(">H", 40)), (120, b"\5")]
    path = tmp_path / "page.iim"
    path.write_bytes(b"".join(field(3, number, data) for number, data in header) + field(8, 10, page) + bytes(5))
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *asked: started.append(asked))
    with pytest.raises(UnidentifiedImageError):
        read_image(path)
    assert not started


def test_a_name_says_what_a_file_may_be() -> None:
    assert [kind_by_name(name) for name in ("a.HEIC", "b.mp4", "c.nef", "d.txt")] == [
        "HEIC file",
        "video",
        "raw file of a camera",
        "",
    ]
