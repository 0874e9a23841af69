"""The values of every kind of image file, as docs/data.md has them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, UnidentifiedImageError

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.decoding import is_grey, read_image
from fakeoff.arena.images.reals import orl_faces
from fakeoff.protocols.forensics import image_files

RED = (200, 50, 50)


def picture(seed: int, *, width: int = 40, height: int = 48, grey: bool = False) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert("L" if grey else "RGB")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def write_png(path: Path, row: bytes, *, depth: int, colour: int, width: int, more: bytes = b"") -> Path:
    """One row, of any depth and colour type: Pillow writes no 16-bit colour."""
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    path.write_bytes(png_header(width, 1, depth=depth, colour=colour) + more + pixels + chunk(b"IEND", b""))
    return path


def write_tiff(path: Path, values: Any, **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


def sixteen(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def seen(path: Path) -> Any:
    """The first row as lists, of which the audit sees the same."""
    image = read_image(path)
    np.testing.assert_array_equal(image_files.read_file(path).pixels, np.asarray(image.convert("RGB")))
    return np.asarray(image)[0].tolist()


class TestEightBits:
    """Of Pillow's modes, in files that hold them."""

    @pytest.mark.parametrize(
        ("mode", "name", "values", "expected"),
        [
            ("1", "a.png", 255, 255),
            ("L", "a.png", 77, 77),
            ("LA", "a.png", (77, 255), 77),
            ("LA", "a.png", (77, 0), 255),
            ("LA", "a.png", (77, 128), 166),
            ("P", "a.png", RED, RED),
            ("PA", "a.tif", RED, RED),
            ("RGB", "a.png", RED, RED),
            ("RGBA", "a.png", (*RED, 255), RED),
            ("RGBA", "a.png", (*RED, 0), (255, 255, 255)),
            ("RGBA", "a.webp", (*RED, 0), (255, 255, 255)),
            ("RGBA", "a.png", (*RED, 128), (227, 152, 152)),
            ("CMYK", "a.tif", (0, 150, 150, 55), (200, 82, 82)),
            ("CMYK", "a.jpg", (0, 150, 150, 55), (200, 82, 82)),
            ("YCbCr", "a.jpg", (95, 103, 203), RED),
            ("LAB", "a.tif", (118, 187, 166), RED),
        ],
    )
    def test_each_mode(self, tmp_path: Path, mode: str, name: str, values: Any, expected: Any) -> None:
        made = {"P": "RGB", "PA": "RGB"}.get(mode, mode)
        image = Image.new(made, (40, 40), values)
        if mode in ("P", "PA"):
            image = image.quantize(4)
            image = image.convert("PA") if mode == "PA" else image
        lossless = {"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}
        image.save(tmp_path / name, **(lossless | ({"lossless": True, "exact": True} if "webp" in name else {})))
        first = np.array(seen(tmp_path / name)[0])
        assert np.abs(first - np.array(expected)).max() <= (2 if mode in ("CMYK", "YCbCr", "LAB") else 0)
        assert read_image(tmp_path / name).mode == ("L" if np.ndim(expected) == 0 else "RGB")

    def test_hsv_has_no_file(self, tmp_path: Path) -> None:
        for suffix in ("png", "tif", "jpg", "bmp"):
            with pytest.raises(OSError, match="HSV"):
                Image.new("HSV", (40, 40)).save(tmp_path / f"a.{suffix}")

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp", "a.tif", "a.gif", "a.ppm"])
    @pytest.mark.parametrize("mode", ["L", "RGB", "P"])
    def test_what_is_ordinary_is_what_pillow_says(self, tmp_path: Path, name: str, mode: str) -> None:
        if mode == "P" and name.endswith(("jpg", "webp", "ppm")):
            return
        picture(0).convert(mode).save(tmp_path / name)
        with Image.open(tmp_path / name) as plain:
            expected = plain if plain.mode in ("L", "RGB") else plain.convert("RGB")
            np.testing.assert_array_equal(np.asarray(read_image(tmp_path / name)), np.asarray(expected))

    @pytest.mark.parametrize(("depth", "value", "expected"), [(1, 1, 255), (2, 2, 170), (4, 3, 51)])
    def test_fewer_bits_reach_from_black_to_white(self, tmp_path: Path, depth: int, value: int, expected: int) -> None:
        path = write_png(tmp_path / "a.png", bytes([value << (8 - depth)]), depth=depth, colour=0, width=2)
        assert seen(path) == [expected, 0]

    def test_white_is_zero(self, tmp_path: Path) -> None:
        path = write_tiff(tmp_path / "a.tif", np.array([[0, 100, 255]], np.uint8), photometric="miniswhite")
        assert seen(path) == [255, 155, 0]

    def test_premultiplied_colours(self, tmp_path: Path) -> None:
        pixels = np.array([[[10, 20, 30, 128], [0, 0, 0, 0]]], np.uint8)
        path = write_tiff(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
        # 10 of 128 is 20 of 255; half of that and half of white.
        assert np.abs(np.array(seen(path)) - [[137, 147, 157], [255, 255, 255]]).max() <= 1

    @pytest.mark.parametrize(
        ("depth", "colour", "row", "transparent", "expected"),
        [
            (8, 0, bytes([9, 77]), sixteen(9), [255, 77]),
            (2, 0, bytes([0b01110000]), sixteen(1), [255, 255]),
            (2, 0, bytes([0b01100000]), sixteen(1), [255, 170]),
            (4, 0, bytes([0x3A]), sixteen(3), [255, 170]),
            (16, 0, sixteen(200, 25700), sixteen(200), [255, 100]),
            (8, 2, bytes([*RED, 1, 2, 3]), sixteen(*RED), [[255, 255, 255], [1, 2, 3]]),
            (16, 2, sixteen(514, 771, 1028, 257, 257, 257), sixteen(514, 771, 1028), [[255, 255, 255], [1, 1, 1]]),
        ],
    )
    def test_one_transparent_colour(
        self, tmp_path: Path, depth: int, colour: int, row: bytes, transparent: bytes, expected: Any
    ) -> None:
        more = chunk(b"tRNS", transparent)
        assert seen(write_png(tmp_path / "a.png", row, depth=depth, colour=colour, width=2, more=more)) == expected

    def test_a_transparent_entry_of_a_palette(self, tmp_path: Path) -> None:
        image = Image.new("P", (40, 40), 1)
        image.putpalette([0, 0, 0, *RED])
        for name in ("a.png", "a.gif"):
            image.save(tmp_path / name, transparency=1)
            assert seen(tmp_path / name)[0] == [255, 255, 255]

    def test_the_first_picture_of_an_animation(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, (0, 0, 0), (9, 9, 9))]
        for name in ("a.gif", "a.png", "a.webp", "a.tif"):
            options = {"lossless": True} if name == "a.webp" else {}
            frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
            assert seen(tmp_path / name)[0] == [*RED]


class TestMoreBits:
    """By what the file declares, never by the values that happen to be in it."""

    @pytest.mark.parametrize("values", [(0, 25700, 65535), (0, 257, 514)])
    def test_sixteen_bits_of_grey(self, tmp_path: Path, values: tuple[int, ...]) -> None:
        expected = [value // 257 for value in values]
        grey = np.array([values], np.uint16)
        Image.fromarray(grey).save(tmp_path / "a.png")
        (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + sixteen(*values))
        written = [tmp_path / "a.png", tmp_path / "a.pgm"]
        for order in "<>":
            for compression in (None, "zlib"):
                path = tmp_path / f"{ord(order)}{compression}.tif"
                written.append(write_tiff(path, grey, byteorder=order, compression=compression))
        Image.fromarray(grey).save(tmp_path / "a.jp2")
        for path in (*written, tmp_path / "a.jp2"):
            assert seen(path) == expected, path.name

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_sixteen_bits_where_white_is_zero(self, tmp_path: Path, compression: str | None) -> None:
        grey = np.array([[0, 25700, 65535]], np.uint16)
        path = write_tiff(tmp_path / "a.tif", grey, photometric="miniswhite", compression=compression)
        assert seen(path) == [255, 155, 0]

    def test_other_ends_of_the_range_that_a_file_declares(self, tmp_path: Path) -> None:
        (tmp_path / "a.pgm").write_bytes(b"P5 3 1 4095\n" + sixteen(0, 200, 4095))
        assert seen(tmp_path / "a.pgm") == [0, 12, 255]
        twelve = tmp_path / "twelve.tif"  # four samples of 12 bits in six bytes
        tags = [(256, 4, 4), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (279, 4, 6)]
        rows = b"".join(struct.pack("<HHIHH" if kind == 3 else "<HHII", tag, kind, 1, value, *([0] * (kind == 3)))
                        for tag, kind, value in tags)  # fmt: skip
        directory = struct.pack("<H", len(tags)) + rows + struct.pack("<I", 0)
        twelve.write_bytes(b"II*\0" + struct.pack("<I", 14) + bytes.fromhex("fff000800000") + directory)
        assert seen(twelve) == [255, 0, 128, 0]

    def test_twelve_bits_in_sixteen_are_as_dark_as_the_file_says(self, tmp_path: Path) -> None:
        """Neither MaxSampleValue (statistics, says TIFF 6.0) nor sBIT (of samples that were scaled) moves white."""
        grey = np.array([[0, 4095]], np.uint16)
        assert seen(write_tiff(tmp_path / "a.tif", grey, extratags=[(281, "H", 1, 4095, True)])) == [0, 16]
        more = chunk(b"sBIT", b"\x0c")
        assert seen(write_png(tmp_path / "a.png", sixteen(0, 4095), depth=16, colour=0, width=2, more=more)) == [0, 16]

    @pytest.mark.parametrize(("colour", "more"), [(2, ()), (6, (65535,))])
    def test_sixteen_bits_of_colour(self, tmp_path: Path, colour: int, more: tuple[int, ...]) -> None:
        expected = [[255, 128, 0], [1, 2, 100]]
        values = [65535, 32896, 0, *more, 257, 514, 25700, *more]
        assert seen(write_png(tmp_path / "a.png", sixteen(*values), depth=16, colour=colour, width=2)) == expected
        pixels = np.array(values, np.uint16).reshape(1, 2, -1)
        extra = {"extrasamples": ["unassalpha"]} if more else {}
        for order in "<>":
            for compression in (None, "zlib"):
                path = tmp_path / f"{ord(order)}{compression}.tif"
                write_tiff(path, pixels, photometric="rgb", byteorder=order, compression=compression, **extra)
                assert seen(path) == expected
        if not more:
            (tmp_path / "a.ppm").write_bytes(b"P6 2 1 65535\n" + sixteen(*values))
            assert seen(tmp_path / "a.ppm") == expected

    def test_sixteen_bits_of_grey_with_transparency(self, tmp_path: Path) -> None:
        row = sixteen(25700, 65535, 25700, 0)
        path = write_png(tmp_path / "a.png", row, depth=16, colour=4, width=2)
        assert seen(path) == [[100] * 3, [255] * 3]

    def test_floats_reach_from_0_to_1(self, tmp_path: Path) -> None:
        assert seen(write_tiff(tmp_path / "a.tif", np.array([[0, 0.4, 1]], np.float32))) == [0, 102, 255]
        dark = write_tiff(tmp_path / "b.tif", np.array([[0, 0.002]], np.float32), photometric="miniswhite")
        assert seen(dark) == [255, 254]
        (tmp_path / "a.pfm").write_bytes(b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.4, 1))
        assert seen(tmp_path / "a.pfm") == [102, 255]

    @pytest.mark.parametrize(
        ("values", "options", "reason"),
        [
            (np.array([[0, 255]], np.float32), {}, "holds values from 0 to 255, where 0 is black and 1 white"),
            (np.array([[0.1, 3.5]], np.float32), {}, "holds values from 0.1 to 3.5"),
            (np.array([[-0.25, 1]], np.float32), {}, "holds values from -0.25 to 1"),
            (np.array([[np.inf, 1]], np.float32), {}, "not finite"),
            (np.array([[0, 4095]], np.int32), {}, "integers from 0 to 4095, of which nothing .* says which is white"),
            (np.array([[0, 2**32 - 1]], np.uint32), {}, "integers from 0 to 4294967295"),
            (np.array([[-5, 4095]], np.int16), {}, "integers from -5 to 4095"),
            (np.array([[-5, 100]], np.int8), {}, "signed integers"),
            (np.zeros((2, 2, 3), np.float32), {"photometric": "rgb"}, r"a TIFF of 3 channels of 32 bits \(floating"),
            (np.zeros((2, 2), np.float64), {}, r"a TIFF of 1 channel of 64 bits \(floating point\)"),
            (np.zeros((2, 2, 3), np.float32), {"photometric": "rgb", "bigtiff": True}, "a TIFF of 3 channels"),
            (
                np.zeros((3, 2, 2), np.uint16),
                {"photometric": "rgb", "planarconfig": "separate"},
                "in planes, uncompressed",
            ),
        ],
    )
    def test_what_has_no_white_is_refused_with_its_range(
        self, tmp_path: Path, values: Any, options: dict[str, Any], reason: str
    ) -> None:
        path = write_tiff(tmp_path / "a.tif", values, **options)
        with pytest.raises(DataError, match=reason):
            read_image(path)
        with pytest.raises(DataError, match=reason):
            image_files.read_file(path)

    def test_what_other_formats_do_not_declare_is_refused(self, tmp_path: Path) -> None:
        cards = ["SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    2"]
        cards += ["NAXIS1  =                    2", "NAXIS2  =                    1", "END"]
        header = "".join(card.ljust(80) for card in cards).encode()
        (tmp_path / "a.fits").write_bytes(header.ljust(2880) + sixteen(0, 30000).ljust(2880, b"\0"))
        with pytest.raises(DataError, match="integers from 0 to 30000, of which nothing in the file"):
            read_image(tmp_path / "a.fits")

    def test_a_jpeg_of_twelve_bits_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        picture(0).save(path)
        content = bytearray(path.read_bytes())
        content[content.index(b"\xff\xc0") + 4] = 12
        path.write_bytes(content)
        with pytest.raises(DataError, match="a JPEG of more than 8 bits a channel"):
            read_image(path)

    @pytest.mark.parametrize(("transfer", "read"), [(13, True), (16, False), (18, False)])
    def test_high_dynamic_range_is_refused(self, tmp_path: Path, transfer: int, read: bool) -> None:
        more = chunk(b"cICP", bytes([9, transfer, 0, 1]))
        path = write_png(tmp_path / "a.png", bytes(6), depth=8, colour=2, width=2, more=more)
        if read:
            assert seen(path) == [[0, 0, 0]] * 2
            assert image_files.read_file(path).traces["PNG colour chunks"] == "cICP"
        else:
            with pytest.raises(DataError, match="high dynamic range"):
                read_image(path)


class TestGrey:
    @pytest.mark.parametrize("quality", [30, 80, 95])
    def test_a_grey_photograph_that_a_lossy_webp_tinted_is_grey(self, tmp_path: Path, quality: int) -> None:
        photographs = orl_faces().photographs["test"][:4]
        tinted = 0
        for index, photograph in enumerate(photographs):
            path = tmp_path / f"{index}.webp"
            read_image(photograph.path).save(path, quality=quality)
            image = read_image(path)
            assert image.mode == "RGB"
            assert is_grey(image)
            tinted += int(np.ptp(np.asarray(image), axis=-1).any())
        assert tinted

    def test_a_tint_that_can_be_seen_is_colour(self) -> None:
        pixels = np.repeat(np.asarray(picture(0, grey=True))[..., None], 3, axis=2)
        assert is_grey(Image.fromarray(pixels))
        pixels[3, 4] = (100, 102, 100)
        assert not is_grey(Image.fromarray(pixels))


def test_16_bit_images_keep_their_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png")
    assert image.mode == "L"
    assert np.abs(np.asarray(image).astype(float) - ramp / 257).max() <= 0.5 + 1e-9


def test_what_is_transparent_lies_on_white_and_what_is_opaque_is_as_it_was(tmp_path: Path) -> None:
    image = picture(0)
    alpha = np.random.default_rng(1).integers(0, 256, (48, 40), dtype=np.uint8)
    alpha[:20] = 255
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "image.png")
    seen, colours = np.asarray(read_image(tmp_path / "image.png")), np.asarray(picture(0)).astype(float)
    assert np.array_equal(seen[:20], colours[:20])
    share = alpha[..., None] / 255
    assert np.abs(seen - (share * colours + (1 - share) * 255)).max() <= 1


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    image = picture(0, width=60, height=40)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to show
    image.save(tmp_path / "sideways.png", exif=exif)
    upright = read_image(tmp_path / "sideways.png")
    assert upright.size == (40, 60)
    assert np.array_equal(np.asarray(upright), np.asarray(image.transpose(Image.Transpose.ROTATE_270)))


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (60_000, 60_000)])
def test_a_header_that_promises_a_huge_image_is_refused_before_it_is_read(
    tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(width, height) + chunk(b"IDAT", zlib.compress(bytes(100))))
    with pytest.raises(DataError, match="larger than"):
        read_image(tmp_path / "bomb.png")


def test_what_is_no_image_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    with pytest.raises(UnidentifiedImageError):
        read_image(tmp_path / "words.png")
    (tmp_path / "cut.png").write_bytes(png_header(64, 64) + chunk(b"IDAT", zlib.compress(bytes(100))))
    with pytest.raises(DataError, match="damaged"):
        read_image(tmp_path / "cut.png")


@pytest.mark.parametrize("name", ["page.eps", "page.png"])
def test_what_another_program_would_have_to_draw_is_no_image(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / name, format="EPS")
    with pytest.raises(UnidentifiedImageError):
        read_image(tmp_path / name)


def test_a_palette_with_transparency_is_read_quietly(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    Image.new("P", (40, 40), 1).save(path, transparency=bytes([0, 128, 255]))
    assert read_image(path).mode == "RGB"


def test_a_dark_sixteen_bit_image_stays_dark(tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    Image.fromarray(np.full((40, 40), 200, dtype=np.uint16)).save(path)
    assert np.asarray(read_image(path)).max() <= 1


def test_a_float_image_with_nan_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "nan.tiff"
    Image.fromarray(np.full((40, 40), np.nan, dtype=np.float32)).save(path)
    with pytest.raises(DataError, match="not finite"):
        read_image(path)
