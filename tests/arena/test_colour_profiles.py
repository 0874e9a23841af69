"""Embedded profiles: what is sRGB stays as it is to the byte, other spaces are converted, bad ones are named."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.color import lab2xyz

from fakeoff.arena.images import colour_profiles
from fakeoff.arena.images.colour_profiles import to_srgb
from fakeoff.arena.images.decoding import read_image
from fakeoff.protocols.forensics import image_files
from tests.icc import ADOBE, P3, SRGB, gamma_curve, grey_profile, ink_profile, rgb_profile, srgb_curve

ADOBE_RGB = rgb_profile("Adobe RGB, by hand", ADOBE, gamma_curve(2.19921875))
DISPLAY_P3 = rgb_profile("Display P3, by hand", P3, srgb_curve())
GREY = grey_profile("Grey of gamma 1.8", gamma_curve(1.8))


def picture(seed: int = 0, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)).convert(mode)


def decoded(linear: Any) -> Any:
    """Light in [0, 1] as levels of sRGB."""
    light = np.clip(linear, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def by_hand(pixels: Any, primaries: Any, linear: Any) -> Any:
    """What a profile of a matrix says, in floating point."""
    xyz = linear(pixels / 255) @ np.array(primaries)
    return decoded(xyz @ np.linalg.inv(np.array(SRGB)))


def of_srgb(value: Any) -> Any:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])
@pytest.mark.parametrize("profile", [b"", "built-in", "by hand"], ids=["none", "built-in", "by hand"])
def test_srgb_by_any_name_is_read_as_without_a_profile(tmp_path: Path, suffix: str, profile: Any) -> None:
    content = {
        "built-in": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "by hand": rgb_profile("sRGB, rounded", np.round(SRGB, 4).tolist(), srgb_curve()),
    }.get(profile, b"")
    options = {"icc_profile": content} if content else {}
    path = tmp_path / f"a.{suffix}"
    picture().save(path, **options)
    np.testing.assert_array_equal(np.asarray(read_image(path)), np.asarray(Image.open(path)))
    assert image_files.read_file(path).traces["ICC profile"] == (f"{len(content)} bytes" if content else "none")


@pytest.mark.parametrize(
    ("profile", "primaries", "linear", "name"),
    [
        (DISPLAY_P3, P3, of_srgb, "Display P3, by hand"),
        (ADOBE_RGB, ADOBE, lambda value: value**2.19921875, "Adobe RGB, by hand"),
    ],
)
def test_a_wide_gamut_is_brought_to_srgb(
    tmp_path: Path, profile: bytes, primaries: Any, linear: Any, name: str
) -> None:
    path = tmp_path / "a.png"
    pixels = np.random.default_rng(0).integers(60, 200, (40, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, icc_profile=profile)
    seen = np.asarray(read_image(path), dtype=float)
    wanted = by_hand(pixels.astype(float), primaries, linear)
    assert np.abs(seen - wanted).max() < 2
    assert np.abs(seen - pixels).max() > 20
    file = image_files.read_file(path)
    assert file.traces["ICC profile"] == f"{len(profile)} bytes, {name}"
    np.testing.assert_array_equal(file.pixels, seen)


def test_two_spaces_of_one_picture_look_alike(tmp_path: Path) -> None:
    """What was saved from one picture in two spaces is one picture again, but for what rounding took."""
    original = Image.fromarray(np.random.default_rng(1).integers(40, 216, (40, 48, 3), dtype=np.uint8))
    srgb = ImageCms.createProfile("sRGB")
    for name, profile in (("p3", DISPLAY_P3), ("adobe", ADOBE_RGB)):
        there = ImageCms.buildTransform(srgb, io.BytesIO(profile), "RGB", "RGB")
        wide = ImageCms.applyTransform(original, there)
        assert wide is not None
        wide.save(tmp_path / f"{name}.png", icc_profile=profile)
        back = np.asarray(read_image(tmp_path / f"{name}.png"), dtype=int)
        assert np.abs(back - np.asarray(original)).max() <= 4


def test_grey_by_its_profile_stays_grey(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (40, 1)))
    ramp.save(tmp_path / "a.png", icc_profile=GREY)
    image = read_image(tmp_path / "a.png")
    assert image.mode == "L"
    wanted = decoded((np.arange(256) / 255) ** 1.8)
    assert np.abs(np.asarray(image)[0] - wanted).max() < 2


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_ink_is_what_its_press_prints(tmp_path: Path, name: str) -> None:
    """A press whose cyan is a dull green, as none is: Pillow's own formula says something else."""
    corners = {}
    for inks in itertools.product((0, 1), repeat=4):
        light = 100 * (1 - 0.4 * inks[0]) * (1 - 0.3 * inks[1]) * (1 - 0.1 * inks[2]) * (1 - inks[3])
        corners[inks] = (light, (-30.0 * inks[0] + 40.0 * inks[1]) * (1 - inks[3]), 30.0 * inks[2] * (1 - inks[3]))
    profile = ink_profile("A press", corners)
    cyan = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    cyan.save(tmp_path / name, icc_profile=profile, **({"quality": 100} if name == "a.jpg" else {}))
    seen = np.asarray(read_image(tmp_path / name), dtype=float)[0, 0]
    wanted = decoded(lab2xyz(np.array([[60.0, -30.0, 0.0]]), illuminant="D50")[0] @ np.linalg.inv(np.array(SRGB)))
    assert np.abs(seen - wanted).max() < 4  # the table has 8 bits
    assert np.abs(seen - np.asarray(cyan.convert("RGB"))[0, 0]).max() > 40
    assert image_files.read_file(tmp_path / name).traces["ICC profile"] == f"{len(profile)} bytes, A press"


def test_transparency_survives_a_profile(tmp_path: Path) -> None:
    image = Image.new("RGBA", (40, 40), (200, 50, 50, 255))
    image.paste((200, 50, 50, 0), (0, 0, 20, 40))
    image.save(tmp_path / "a.png", icc_profile=DISPLAY_P3)
    seen = np.asarray(read_image(tmp_path / "a.png"))
    assert seen[0, 0].tolist() == [255, 255, 255]
    assert (
        seen[0, 39].tolist()
        == np.asarray(to_srgb(Image.new("RGB", (1, 1), (200, 50, 50)), DISPLAY_P3).image)[0, 0].tolist()
    )


@pytest.mark.parametrize(
    ("mode", "profile", "reason"),
    [
        ("RGB", b"no profile at all" * 20, "it is damaged"),
        ("RGB", DISPLAY_P3[:200], "it is damaged"),
        ("RGB", DISPLAY_P3[:-100], "it is damaged"),
        ("RGB", GREY, "it is one of GRAY, and the image is RGB"),
        ("L", DISPLAY_P3, "it is one of RGB, and the image is GRAY"),
        ("CMYK", DISPLAY_P3, "it is one of RGB, and the image is CMYK"),
    ],
)
def test_a_profile_that_cannot_be_used_is_left_out_and_said(
    tmp_path: Path, mode: str, profile: bytes, reason: str
) -> None:
    path = tmp_path / "a.tif"
    picture(mode=mode).save(path)
    plain = np.asarray(read_image(path))
    picture(mode=mode).save(path, icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(read_image(path)), plain)
    assert image_files.read_file(path).traces["ICC profile"] == f"{len(profile)} bytes, ignored: {reason}"


def test_a_huge_profile_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour_profiles, "_MOST_BYTES", 400)
    found = to_srgb(picture(), DISPLAY_P3 + b"\0")
    assert found.said.startswith("ignored: larger than")
    np.testing.assert_array_equal(np.asarray(found.image), np.asarray(picture()))


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_in_a_profile_break_the_reading(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(DISPLAY_P3 if seed % 2 else ADOBE_RGB)
    for at in rng.integers(128, len(content), 12):
        content[at] = rng.integers(0, 256)
    found = to_srgb(picture(), bytes(content))
    assert found.image.mode == "RGB"
    assert found.said.isprintable()
