"""What a file is, by its name and its first bytes: a picture to be decoded, or something else that has a name."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, features

HEAD_BYTES = 512

# By Pillow's names. Left out are what another program would have to draw (EPS, WMF), what holds files of any format and
# so of these too (IPTC, MIC, FPX), what only announces somebody else's decoder (BUFR, GRIB, HDF5, MPEG), and
# thumbnails and maps that no photograph comes in (IMT, MCIDAS, XVTHUMB).
_RASTER = (
    "AVIF BLP BMP CUR DCX DDS DIB FITS FLI FTEX GBR GIF ICNS ICO IM JPEG JPEG2000 MPO MSP PCD PCX PIXAR PNG PPM PSD "
    "QOI SGI SPIDER SUN TGA TIFF WEBP XBM XPM"
)

_RAW = ".3fr .arw .cr2 .cr3 .crw .dng .erf .kdc .mrw .nef .nrw .orf .pef .raf .raw .rw2 .srw .x3f"
_VIDEOS = ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .webm .wmv"

_A_VIDEO = "a video: cut frames out of it, see fakeoff data"
_HEIC = "HEIC, which Pillow does not read: convert it to PNG"
_A_DRAWING = "a drawing for printers (PostScript), not read: convert it to PNG"
_HTML = "an HTML page, not an image: was it downloaded without logging in?"
_POINTER = "a git-lfs pointer, not the file itself: run git lfs pull"

_OTHERS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), what)
    for pattern, what in (
        (rb"....ftyp(hei|hev|hem|hex|(mif1|msf1)(?!.{,60}avi[fs]))", _HEIC),
        (rb"....ftyp(?!avi[fs]|mif1|msf1|crx )", _A_VIDEO),
        (rb"....(moov|mdat|wide|free)", _A_VIDEO),
        (rb"RIFF....AVI ", _A_VIDEO),
        (rb"\x1aE\xdf\xa3", _A_VIDEO),
        (rb"\x00\x00\x01[\xb3\xba]", _A_VIDEO),
        (rb"G.{187}G.{187}G", _A_VIDEO),
        (rb"FLV\x01|OggS|\x30\x26\xb2\x75\x8e\x66\xcf\x11", _A_VIDEO),
        (rb"%!PS|\xc5\xd0\xd3\xc6", _A_DRAWING),
        (rb"%PDF", "a PDF document: take its pictures out, as PNG"),
        (rb"\xd7\xcd\xc6\x9a|\x01\x00\x00\x00.{36} EMF", "a Windows metafile, a drawing: convert it to PNG"),
        (rb"\x89HDF\r\n\x1a\n", "an HDF5 file: write its pictures as PNG"),
        (rb"\x93NUMPY", "a NumPy array: write its pictures as PNG"),
        (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "JPEG XL, which Pillow does not read: convert it to PNG"),
        (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|.{257}ustar", "an archive: unpack it"),
    )
)

# Of what has no suffix, as in a hub's cache, or an odd one.
_PICTURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|II\*\x00|MM\x00\*|II\+\x00|MM\x00\+|BM....\x00\x00\x00\x00"
    rb"|\x00\x00\x00\x0cjP  |\xffO\xffQ|....ftyp(avi[fs]|mif1|msf1)|qoif|8BPS|P[1-6]\s",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """Why a file is not used as a picture.

    Attributes:
        reason: In words, with what to do about it where something can be done.
        damaged: It should have been a picture, by its name: the data are not what the user thinks they are.
    """

    reason: str
    damaged: bool = False


@functools.cache
def picture_formats() -> tuple[str, ...]:
    """The raster formats that Pillow decodes by itself, by its names for them; files of any other are no images here.

    No other program is started for one of them, not even for what is inside.
    """
    Image.init()
    raster = _RASTER.split()
    return tuple(name for name in Image.ID if name in Image.OPEN and name in raster)


@functools.cache
def picture_suffixes() -> frozenset[str]:
    """The suffixes of these formats, in small letters, each with its dot."""
    formats = picture_formats()
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in formats)


def has_picture_suffix(name: str) -> bool:
    """Whether a file is called as a picture is."""
    return _suffix(name) in picture_suffixes()


def examine(path: str | Path) -> Unfit | None:
    """Looks at a regular file's name and first bytes.

    Args:
        path: The file; it is opened, so whoever calls has made sure that it is no pipe and no device.

    Returns:
        Why it is no use; None of what is worth being decoded.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path object for each of many takes as long
            return examine_head(str(path), file.read(HEAD_BYTES))
    except OSError as error:
        return Unfit(reason=f"cannot be read: {error.strerror}", damaged=True)


def examine_head(name: str, head: bytes) -> Unfit | None:
    """As :func:`examine`, of a file whose first bytes are known.

    Args:
        name: Of the file.
        head: Its first :data:`HEAD_BYTES`, or all there are.
    """
    called = has_picture_suffix(name)
    if not head:
        return Unfit(reason="an empty file", damaged=called)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return Unfit(reason=_POINTER, damaged=called)
    if re.match(rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)", head, re.DOTALL | re.IGNORECASE):
        return Unfit(reason=_HTML, damaged=called)
    if _suffix(name) in _RAW.split():  # many are TIFF by their content, of which Pillow would take the preview
        return Unfit(reason="a camera's raw file: develop it to PNG or TIFF")
    for pattern, what in _OTHERS:
        if pattern.match(head):
            return Unfit(reason=what)
    if re.match(rb"....ftyp(avi[fs]|mif1|msf1)", head, re.DOTALL) and not features.check("avif"):
        return Unfit(reason="AVIF, which this Pillow does not read: upgrade it, or convert the file to PNG")
    if _suffix(name) in _VIDEOS.split():
        return Unfit(reason=_A_VIDEO)
    return None if called or _PICTURES.match(head) else Unfit(reason="not an image")


def unidentified(path: str | Path) -> Unfit:
    """What to say of a file that was worth being decoded, and is of none of the :func:`picture_formats`."""
    if has_picture_suffix(str(path)):
        return Unfit(reason="not an image, though its name says so", damaged=True)
    return Unfit(reason="not an image")


def kind_by_name(name: str) -> str:
    """What a file that is called as no picture may be, in words: ``video``; empty where its name does not say."""
    suffix = _suffix(name)
    if suffix in (".heic", ".heif", ".hif"):
        return "HEIC file"
    return "video" if suffix in _VIDEOS.split() else "raw file of a camera" if suffix in _RAW.split() else ""


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - likewise


__all__ = [
    "HEAD_BYTES",
    "Unfit",
    "examine",
    "examine_head",
    "has_picture_suffix",
    "kind_by_name",
    "picture_formats",
    "picture_suffixes",
    "unidentified",
]
