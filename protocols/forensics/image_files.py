"""What a file says of itself beside its pixels."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.decoding import decode_image, decode_opened, picture_formats, png_chunks
from fakeoff.protocols.forensics.jpeg_grid import quantisation_table

_WORD_LENGTH = 48


_PNG_DEPTH_AT = 24  # in IHDR, which is the first chunk


_TIFF_BITS_PER_SAMPLE = 258


_PNG_COLOUR = ("cICP", "sRGB", "cHRM", "sBIT")  # gAMA and iCCP are traces of their own


def _printable(value: object) -> str:
    text = "".join(letter for letter in " ".join(str(value).split()) if letter.isprintable())
    return text[:_WORD_LENGTH]


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image file, opened and decoded once.

    Attributes:
        pixels: uint8 ``(h, w, 3)``, upright; what :func:`fakeoff.arena.images.decoding.read_image` gives.
        traces: What the file says about itself, by the name of the trace. Those whose name begins with ``JPEG``
            or ``PNG`` are given for such files only, so that a difference of format is not told six times.
        sha256: Of the file's bytes.
        size: In bytes.
    """

    pixels: Pixels
    traces: dict[str, str]
    sha256: bytes
    size: int


def read_file(path: Path) -> ImageFile:
    """Reads an image file: its pixels, and what it says about itself.

    Args:
        path: Treated as hostile, as :func:`fakeoff.arena.images.decoding.read_image` does. Of odd files Pillow warns:
            whoever calls this, perhaps in threads, silences that, which belongs to the whole process.

    Raises:
        UnidentifiedImageError: Not an image.
        DataError: An image, but damaged or too large, or its metadata are damaged.
    """
    try:
        with path.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").digest(), file.tell()
            file.seek(0)
            header = file.read(_PNG_DEPTH_AT + 1)
            with Image.open(file, formats=picture_formats()) as opened:
                chunks = png_chunks(file) if opened.format == "PNG" else {}
                decoded = decode_opened(opened)
                image = decoded.image
                pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
                traces = _describe(opened, header=header, extension=path.suffix.lower(), profile=decoded.profile)
                if chunks:
                    named = [name for name in _PNG_COLOUR if name in chunks]
                    traces["PNG colour chunks"] = sys.intern(", ".join(named) or "none")
    except Exception as error:  # decoders, of metadata as well, raise anything
        decode_image(path)  # says in one line what is wrong with the pixels; else it is the metadata
        raise DataError(f"damaged metadata: {_printable(error) or type(error).__name__}") from error
    return ImageFile(pixels=pixels, traces=traces, sha256=sha256, size=size)


def _describe(image: Image.Image, *, header: bytes, extension: str, profile: str) -> dict[str, str]:
    info = image.info
    named = Image.registered_extensions().get(extension)
    exif = image.getexif()
    tags = sorted(_printable(ExifTags.TAGS.get(tag, hex(tag))) for tag in exif)
    text = sorted(_printable(name) for name in getattr(image, "text", {}))
    traces = {
        "file format": image.format or "unknown",
        "file extension": "fits the format" if named == image.format else f"{_printable(extension) or 'none'}",
        "mode": image.mode + (" with transparency" if "transparency" in info else ""),
        "bit depth": _bit_depth(image, header),
        "EXIF": ", ".join(tags)[: 3 * _WORD_LENGTH] or "none",
        "EXIF software": _printable(exif.get(ExifTags.Base.Software, "none")),
        "ICC profile": f"{len(info['icc_profile'])} bytes{profile and f', {profile}'}"
        if info.get("icc_profile")
        else "none",
        "text chunks": ", ".join(text)[: 3 * _WORD_LENGTH] or "none",
        "resolution (dpi)": _printable(info.get("dpi", "none")),
        "gamma": _printable(info.get("gamma", "none")),
        "comment": "present" if info.get("comment") else "none",
        "interlacing": "interlaced" if info.get("interlace") else "none",
        "XMP": "present" if info.get("xmp") or info.get("XML:com.adobe.xmp") else "none",
        "frames": str(getattr(image, "n_frames", 1)),
    }
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image), "other or grey")
        traces |= {
            "JPEG quantisation tables": _table_name(image.quantization),
            "JPEG chroma subsampling": sampling,
            "JPEG density": _printable(info.get("jfif_density", "none")),
            "JPEG scan": "progressive" if info.get("progressive") or info.get("progression") else "baseline",
        }
    # One string for all the files that say the same: there may be 100 000.
    return {name: sys.intern(value) for name, value in traces.items()}


def _bit_depth(image: Image.Image, header: bytes) -> str:
    """Bits of a sample in the file; where Pillow does not say, of its decoded mode."""
    if image.format == "PNG":
        depth = header[_PNG_DEPTH_AT]  # the mode hides it: 16-bit RGB is decoded to 8 bits, 2-bit grey as well
    elif isinstance(image, TiffImagePlugin.TiffImageFile) and _TIFF_BITS_PER_SAMPLE in image.tag_v2:
        depth = max(image.tag_v2[_TIFF_BITS_PER_SAMPLE])
    elif image.mode == "1":
        depth = 1
    elif image.mode in ("I", "F"):
        depth = 32
    else:
        depth = 16 if image.mode.startswith("I;16") else 8
    return f"{depth} bit{'s' if depth != 1 else ''}"


def _table_name(tables: Mapping[int, Sequence[int]]) -> str:
    first = list(tables.get(0, ()))
    for quality in range(100, 0, -1):
        if first == quantisation_table(quality).tolist():
            return f"libjpeg, quality {quality}"
    return f"not libjpeg's, mean step {np.mean(first):.1f}" if first else "none"
