from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFilter, JpegImagePlugin, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch.nn import functional as F

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels, decoding
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import orl_faces
from fakeoff.protocols.forensics import format_traces, image_files, interpolation, jpeg_grid
from fakeoff.protocols.forensics.pixels import central_crop, luma

RED = Image.new("RGB", (8, 8), "red")


@pytest.fixture(scope="module")
def faces() -> Pixels:
    """The 40 val photographs at 64 px: Lanczos from 92 px, never compressed."""
    return orl_faces().load("val", resolution=64, colour="grey")


def each(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    return np.stack([np.asarray(change(Image.fromarray(image)).convert("RGB")) for image in pixels])


def compressed(image: Image.Image, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return Image.open(file)


@pytest.mark.parametrize("quality", [75, 90, 95, 98, 99])
def test_jpegs_grid_is_seen_in_every_decoded_image_and_in_no_clean_one(faces: Pixels, quality: int) -> None:
    decoded = jpeg_grid.jpeg_grid(luma(each(faces, lambda image: compressed(image, quality=quality))))
    assert decoded.score.min() > 3 * jpeg_grid.JPEG_SCORE
    assert abs(np.median(decoded.quality) - quality) <= 1
    assert jpeg_grid.jpeg_grid(luma(faces)).score.max() < jpeg_grid.JPEG_SCORE


@given(row=st.integers(0, 7), column=st.integers(0, 7))
@settings(max_examples=4, deadline=None)
def test_a_crop_moves_the_grid_and_its_phase_is_found(row: int, column: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 12, (4, 72, 72, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=3)
    cut = luma(each(noise, lambda image: compressed(image, quality=90))[:, row:, column:])
    phase = jpeg_grid.find_grid_phase(cut)
    assert phase == (-row % 8, -column % 8)
    assert (jpeg_grid.jpeg_grid(cut, phase=phase).score > jpeg_grid.JPEG_SCORE).all()


def test_the_phase_is_found_in_images_of_different_sizes() -> None:
    rng = np.random.default_rng(0)
    crops = []
    for side in (66, 70, 74, 78):
        noise = rng.normal(128, 12, (1, side, side, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=3)
        crops.append(luma(each(noise, lambda image: compressed(image, quality=90))[0, 5:, 3:]))
    assert jpeg_grid.find_grid_phase(crops) == (3, 5)


def test_smooth_content_is_no_jpeg() -> None:
    # All its coefficients lie in the zero bin of any table.
    ramp = np.linspace(20, 220, 64)[None, :, None] + np.linspace(0, 30, 64)[None, None, :]
    smooth = np.rint(ramp + np.arange(8)[:, None, None] / 8).astype(np.float32)
    assert jpeg_grid.jpeg_grid(smooth).score.max() < jpeg_grid.JPEG_SCORE


def test_the_quantisation_table_is_libjpegs() -> None:
    for quality in (10, 50, 75, 95, 100):
        image = compressed(Image.new("L", (8, 8)), quality=quality)
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert image.quantization[0] == jpeg_grid.quantisation_table(quality).tolist()


@pytest.mark.parametrize("source", [24, 32, 48, 56])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "Lanczos"])
def test_enlarging_is_found_with_its_size_and_kernel(faces: Pixels, source: int, kernel: str) -> None:
    resample = {"nearest": 0, "Lanczos": 1, "bilinear": 2, "bicubic": 3}[kernel]
    small = each(faces, lambda image: image.resize((source, source), Image.Resampling.LANCZOS))
    images = each(small, lambda image: image.resize((64, 64), Image.Resampling(resample)))[..., 1].astype(np.float32)
    found = interpolation.find_interpolation(images, height=64)
    assert found == interpolation.Interpolation(source=source, kernel=kernel)
    assert interpolation.fit_interpolation(images, found, height=64).carried.mean() > 0.95


def test_enlarging_is_found_in_the_crop_of_a_large_image() -> None:
    rng = np.random.default_rng(0)
    small = rng.normal(128, 30, (6, 150, 150, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=3)
    large = each(small, lambda image: image.resize((200, 200), Image.Resampling.BICUBIC))
    crops = np.stack([central_crop(image) for image in large])
    assert crops.shape == (6, 128, 128, 3)
    found = interpolation.find_interpolation(crops[..., 1].astype(np.float32), height=200)
    assert found == interpolation.Interpolation(source=150, kernel="bicubic")


def test_photographs_and_blurred_photographs_were_not_enlarged(faces: Pixels) -> None:
    assert interpolation.find_interpolation(faces[..., 1].astype(np.float32), height=64) is None
    blurred = each(faces, lambda image: image.filter(ImageFilter.GaussianBlur(1.5)))[..., 1].astype(np.float32)
    found = interpolation.find_interpolation(blurred, height=64)
    assert found is None or interpolation.fit_interpolation(blurred, found, height=64).carried.mean() < 0.1


@given(bits=st.integers(4, 7))
@settings(max_examples=4, deadline=None)
def test_fewer_bits_leave_gaps(bits: int) -> None:
    grey = np.random.default_rng(bits).normal(128, 30, (2, 64, 64)).clip(0, 255).astype(np.uint8)
    step = 2 ** (8 - bits)
    assert format_traces.histogram_gaps((grey // step * step).astype(np.float32)).min() == pytest.approx(
        1 - 1 / step, abs=0.06
    )
    assert format_traces.histogram_gaps(grey.astype(np.float32)).max() < format_traces.HISTOGRAM_GAPS


def test_a_mirror_image_has_the_mirrored_hash(faces: Pixels) -> None:
    upright = format_traces.perceptual_hashes(np.stack([format_traces.thumbnail(image) for image in faces]))
    mirrored = format_traces.perceptual_hashes(
        np.stack([format_traces.thumbnail(np.ascontiguousarray(image[:, ::-1])) for image in faces])
    )
    assert np.bitwise_count(upright.mirrored ^ mirrored.upright).mean() < 0.063
    assert np.bitwise_count(upright.upright ^ mirrored.upright).min() > 4


def test_colours() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grey = many[..., :1].repeat(3, axis=2)
    few = np.asarray(Image.fromarray(many).quantize(64).convert("RGB"))
    tinted = np.maximum(grey, np.array([0, 0, 5], dtype=np.uint8))
    assert [format_traces.colours(image) for image in (many, grey, few, tinted)] == [
        "colour",
        "grey",
        "palette of at most 256 colours",
        "nearly grey",
    ]


def test_what_files_say_about_themselves(faces: Pixels, tmp_path: Path) -> None:
    image = Image.fromarray(faces[0])
    exif = Image.Exif()
    exif[305] = "Painter\x1b[31m 2"
    image.save(tmp_path / "a.jpg", quality=83, subsampling=0, progressive=True, exif=exif, comment=b"hello")
    jpeg = image_files.read_file(tmp_path / "a.jpg").traces
    assert jpeg["EXIF"] == "Software"
    assert jpeg["EXIF software"] == "Painter[31m 2"  # no escape sequence reaches the terminal
    assert (jpeg["file format"], jpeg["comment"]) == ("JPEG", "present")
    assert jpeg["JPEG quantisation tables"] == "libjpeg, quality 83"
    assert (jpeg["JPEG chroma subsampling"], jpeg["JPEG scan"]) == ("4:4:4", "progressive")
    text = PngInfo()
    text.add_text("parameters", "a face")
    image.convert("RGBA").save(tmp_path / "b.jpg", format="PNG", pnginfo=text, dpi=(72, 72), icc_profile=b"profile")
    png = image_files.read_file(tmp_path / "b.jpg").traces
    assert png["file extension"] == ".jpg"
    assert (png["mode"], png["text chunks"], png["ICC profile"]) == (
        "RGBA",
        "parameters",
        "7 bytes, ignored: it is damaged",
    )
    assert png["resolution (dpi)"] != "none"
    assert not any(name.startswith("JPEG") for name in png)


def png(path: Path, *, depth: int, colour: int, side: int = 48) -> Path:
    """Writes noise as a PNG of any bit depth and colour type, chunk by chunk: Pillow writes no 16-bit colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rows = np.random.default_rng(0).integers(0, 256, (side, side * samples * depth // 8), dtype=np.uint8)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))]
    if colour == 3:
        chunks.append(chunk(b"PLTE", bytes(range(3 * 2**depth))))
    chunks += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize(
    ("depth", "colour"),
    [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (2, 3), (4, 3), (16, 4), (8, 6), (16, 6)],
)
def test_the_bit_depth_is_the_files_and_not_that_of_pillows_mode(tmp_path: Path, depth: int, colour: int) -> None:
    file = image_files.read_file(png(tmp_path / "a.png", depth=depth, colour=colour))
    assert file.pixels.shape == (48, 48, 3)
    assert file.traces["bit depth"] == ("1 bit" if depth == 1 else f"{depth} bits")


def test_the_bit_depth_of_other_formats(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    for image, said in ((Image.fromarray(grey), "16 bits"), (Image.new("1", (8, 8)), "1 bit"), (RED, "8 bits")):
        image.save(tmp_path / "a.tif")
        assert image_files.read_file(tmp_path / "a.tif").traces["bit depth"] == said
    RED.save(tmp_path / "a.jpg")
    assert image_files.read_file(tmp_path / "a.jpg").traces["bit depth"] == "8 bits"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "sixteen.png", "sixteen.tif", "turned.jpg"])
def test_a_file_is_decoded_as_everywhere_else(faces: Pixels, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.stem == "sixteen":
        Image.fromarray(faces[0, ..., 0].astype(np.uint16) * 257).save(path)
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6 if path.stem == "turned" else 1
        Image.fromarray(faces[0]).save(path, exif=exif)
    file = image_files.read_file(path)
    np.testing.assert_array_equal(file.pixels, np.asarray(read_image(path).convert("RGB")))
    assert file.sha256 == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.filterwarnings("ignore")  # which whoever calls silences
def test_what_is_wrong_with_a_file_is_said(faces: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(faces[0]).save(path)
    whole = path.read_bytes()
    with monkeypatch.context() as limits:
        limits.setattr(decoding, "MOST_PIXELS", 1000)
        limits.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
        with pytest.raises(DataError, match="megapixels"):
            image_files.read_file(path)
    path.write_bytes(whole[:-300])
    with pytest.raises(DataError, match="damaged: "):
        image_files.read_file(path)
    path.write_bytes(b"a letter")
    with pytest.raises(UnidentifiedImageError):
        image_files.read_file(path)
    Image.new("RGB", (40, 40)).save(path, format="EPS")  # another program would have to draw it
    with pytest.raises(UnidentifiedImageError):
        image_files.read_file(path)
    late = b"eXIfno TIFF header"
    exif = struct.pack(">I", len(late) - 4) + late + struct.pack(">I", zlib.crc32(late))
    path.write_bytes(whole[:-12] + exif + whole[-12:])
    with pytest.raises(DataError, match="damaged"):
        image_files.read_file(path)


@pytest.mark.parametrize("sizes", [(64, 48), (200, 178), (512, 299)])
def test_a_kernels_strip_is_that_of_the_whole_resize(sizes: tuple[int, int]) -> None:
    height, source = sizes
    top = (height - 64) // 2
    unit = torch.eye(source)[None, None]
    torchs = F.interpolate(unit, size=(source, height), mode="bicubic", align_corners=False)[0, 0].numpy().T
    pillows = np.asarray(Image.fromarray(np.eye(source, dtype=np.float32)).resize((height, source), 3)).T
    for kernel, whole in (("bicubic (OpenCV, PyTorch)", torchs), ("bicubic", pillows)):
        found = interpolation.Interpolation(source=source, kernel=kernel)
        strip = interpolation._matrix(height, top, found, shifted=False)
        whole = whole[top : top + 64]
        reached = np.abs(whole).max(axis=0) > 1e-6
        assert strip[:, np.abs(strip).max(axis=0) > 1e-6] == pytest.approx(whole[:, reached], abs=1e-5)
