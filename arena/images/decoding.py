"""One image file, decoded: 8 bits of sRGB, grey or in colour, upright. What becomes of every kind is in docs/data.md.

The game, the audit and everything else that looks at a file read it here, so that they see the same pixels.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.colour_profiles import to_srgb
from fakeoff.arena.images.kinds import picture_formats

MOST_PIXELS = 100_000_000

_WHITE = 255
"""What transparent pixels are laid on: paper, as viewers and browsers show them."""

_TINT_LEVELS = 1
"""So far apart the channels of a grey photograph are where a lossy WebP kept it in YUV and rounded on the way back."""

_SIXTEEN_BITS = 65535
# Formats whose integers of more than 8 bits Pillow gives in the range of 16 bits, whatever the file's own.
_OF_SIXTEEN_BITS = frozenset({"PNG", "PPM", "JPEG2000"})

_PHOTOMETRIC, _SAMPLE_FORMAT, _BITS_PER_SAMPLE, _PLANAR_CONFIGURATION = 262, 339, 258, 284
_BIG = (b"+\0", b"\0+")
_WHITE_IS_ZERO = 0
_IN_PLANES = 2
_SIGNED, _FLOATING = 2, 3
_OF_PICTURES = frozenset({0, 1, 2, 3, 5, 6, 8})  # of photometric interpretations; raw data of cameras has others
_SAVE = "save it with 8 or 16 bits a channel"

_PNG_SIGNATURE = 8
_MOST_CHUNKS = 1000
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of ITU-T H.273 whose numbers look nothing like sRGB's."""

# Samples of fewer or more bits than 8, whose transparent value a PNG gives in its own range and Pillow passes on.
_TRANSPARENT = {"L;2": lambda value: value * 85, "L;4": lambda value: value * 17, "RGB;16B": lambda value: value >> 8}


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What was read of an image file.

    Attributes:
        image: In mode ``L`` or ``RGB``, upright; of an animation the first frame.
        profile: What was done about its embedded profile: nothing (empty), its name where colours were converted, or
            ``ignored: REASON``.
    """

    image: Image.Image
    profile: str


def read_image(path: Path) -> Image.Image:
    """Reads one image file of one of the :func:`picture_formats` as mode ``L`` or ``RGB``, upright.

    Args:
        path: The file. It is treated as hostile: size-limited, and read in full.

    Raises:
        UnidentifiedImageError: Not an image.
        DataError: An image, but damaged, too large, or of values that nobody can say the white of.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path)


def decode_image(file: Path | BinaryIO) -> Image.Image:
    """As :func:`read_image`, for threads: whoever starts them silences warnings, which belong to the whole process.

    Args:
        file: Its path, or the file itself, open.

    Raises:
        UnidentifiedImageError: Not an image.
        DataError: As :func:`read_image`.
    """
    try:
        with Image.open(file, formats=picture_formats()) as opened:
            return decode_opened(opened).image
    except UnidentifiedImageError:
        if reason := _why_unread(file):
            raise DataError(reason) from None
        raise
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError("larger than Pillow's safety limit") from error
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, struct.error, ...
        raise DataError(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def decode_opened(opened: Image.Image) -> Decoded:
    """Decodes what Pillow has opened, and leaves what it says of the file beside the pixels as it is.

    Args:
        opened: From :func:`PIL.Image.open`, not loaded yet.

    Raises:
        DataError: It is too large, or its values have no white.
        Exception: Whatever decoders raise of damaged files.
    """
    if opened.width * opened.height > MOST_PIXELS:
        raise DataError(f"larger than {MOST_PIXELS // 1_000_000} megapixels")
    _refuse_misread(opened)
    transparent = _transparent_value(opened)
    opened.load()
    turned = opened.getexif().get(ExifTags.Base.Orientation, 1) != 1
    upright = ImageOps.exif_transpose(opened) if turned else opened  # which would be copied
    flat, alpha = _channels(opened, upright, transparent)
    profile = opened.info.get("icc_profile")
    found = to_srgb(flat, profile if isinstance(profile, bytes) else None)
    image = found.image
    if alpha is not None and alpha.getextrema() != (_WHITE, _WHITE):
        image = Image.composite(image, Image.new(image.mode, image.size, (_WHITE,) * len(image.getbands())), alpha)
    return Decoded(image=image, profile=found.said)


def png_chunks(stream: IO[bytes]) -> dict[str, bytes]:
    """What stands before the pixels of a PNG: by the chunk's name its first four bytes; the stream is left as it was.

    Args:
        stream: Of the file, from its beginning.
    """
    at = stream.tell()
    stream.seek(_PNG_SIGNATURE)
    chunks: dict[str, bytes] = {}
    for _ in range(_MOST_CHUNKS):
        head = stream.read(12)
        name = head[4:8].decode("latin-1")
        if len(head) < 12 or name == "IDAT":
            break
        chunks.setdefault(name, head[8:])
        stream.seek(int.from_bytes(head[:4]), io.SEEK_CUR)
    stream.seek(at)
    return chunks


def is_grey(image: Image.Image) -> bool:
    """Whether an image has no colour that could be seen: its channels are equal, or a level apart.

    Args:
        image: In mode ``L`` or ``RGB``.
    """
    if image.mode == "L":
        return True
    red, green, blue = np.moveaxis(np.asarray(image), -1, 0)
    if (red == green).all() and (green == blue).all():
        return True
    most = np.maximum(np.maximum(red, green), blue)
    return bool((most - np.minimum(np.minimum(red, green), blue) <= _TINT_LEVELS).all())


def _refuse_misread(opened: Image.Image) -> None:
    """Of kinds of file that Pillow decodes to something else than what they hold."""
    if isinstance(opened, PngImagePlugin.PngImageFile) and opened.fp is not None:
        transfer = png_chunks(opened.fp).get("cICP", b"")[1:2]
        if transfer and (hdr := _HDR.get(transfer[0])):
            raise DataError(f"high dynamic range ({hdr}, says its cICP), which is not read; save it as sRGB")
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        deep = max(opened.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
        if deep and opened.tag_v2.get(_PLANAR_CONFIGURATION) == _IN_PLANES and opened.tile[0][0] == "raw":
            raise DataError("16 bits a channel in planes, uncompressed, which is not read; save it compressed")
        if _SIGNED in _sample_formats(opened) and not opened.mode.startswith("I"):
            raise DataError(f"signed integers, of which nothing says which is white; {_SAVE}, unsigned")


def _channels(opened: Image.Image, upright: Image.Image, transparent: object) -> tuple[Image.Image, Image.Image | None]:
    """The colours in 8 bits, in mode ``L``, ``RGB`` or ``CMYK``, and how opaque each pixel is; None where all are."""
    mode = upright.mode
    if mode.startswith("I") or mode == "F":
        values = np.asarray(upright)
        alpha = None
        if transparent is not None:
            alpha = Image.fromarray(np.where(values == transparent, 0, _WHITE).astype(np.uint8))
        return Image.fromarray(_eight_bits(opened, values)), alpha
    if mode in ("L", "RGB", "CMYK") and transparent is None:
        return upright, None
    if upright.info.get("transparency") != transparent:  # what the file says stays as it is
        upright = upright.copy()
        upright.info["transparency"] = transparent
    if mode in ("La", "RGBa"):  # premultiplied; Pillow converts them to this alone
        upright, mode = upright.convert("LA" if mode == "La" else "RGBA"), "LA" if mode == "La" else "RGBA"
    colours = "L" if mode in ("1", "L", "LA") else "RGB"
    if transparent is None and mode not in ("LA", "PA", "RGBA"):
        return upright.convert(colours), None
    with_alpha = upright.convert(f"{colours}A")
    return with_alpha.convert(colours), with_alpha.getchannel("A")


def _eight_bits(opened: Image.Image, values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Values of more than 8 bits, by what the file declares: Pillow's own conversion would clip them to white."""
    white = _white(opened, values)
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError("holds values that are not finite")
    low, high = float(numbers.min()), float(numbers.max())
    if low < 0 or high > white:
        raise DataError(
            f"holds values from {low:g} to {high:g}, where 0 is black and {white:g} white; scale them, or {_SAVE}"
        )
    # Pillow turns no integers of 16 bits and no floats round.
    if isinstance(opened, TiffImagePlugin.TiffImageFile) and opened.tag_v2.get(_PHOTOMETRIC, 0) == _WHITE_IS_ZERO:
        numbers = white - numbers
    return (numbers / white * _WHITE).round().astype(np.uint8)


def _white(opened: Image.Image, values: npt.NDArray[np.generic]) -> float:
    if opened.mode == "F":
        return 1.0
    if opened.format in _OF_SIXTEEN_BITS:
        return _SIXTEEN_BITS
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        bits = max(opened.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
        if bits <= 16 and _SIGNED not in _sample_formats(opened):
            return float(2**bits - 1)
        if _SIGNED not in _sample_formats(opened):
            values = values.astype(np.int64) & 0xFFFF_FFFF  # Pillow has signed ones alone
    raise DataError(
        f"integers from {values.min()} to {values.max()}, of which nothing in the file says which is white; {_SAVE}"
    )


def _sample_formats(opened: TiffImagePlugin.TiffImageFile) -> tuple[int, ...]:
    return tuple(opened.tag_v2.get(_SAMPLE_FORMAT, (1,)))


def _transparent_value(opened: Image.Image) -> object:
    """Of a palette, of grey or of colours, in the range that Pillow decodes to; None where there is none."""
    value = opened.info.get("transparency")
    tiles = getattr(opened, "tile", ())
    scale = _TRANSPARENT.get(tiles[0][3]) if tiles and isinstance(tiles[0][3], str) else None
    if value is None or scale is None:
        return value
    return tuple(scale(each) for each in value) if isinstance(value, tuple) else scale(value)


def _why_unread(file: Path | BinaryIO) -> str:
    """Says of a picture of a kind that Pillow does not read what it is; empty where it is no picture that is known."""
    if isinstance(file, Path):
        try:
            with file.open("rb") as stream:
                return _kind(stream)
        except OSError:
            return ""
    return _kind(file)


def _kind(stream: BinaryIO) -> str:
    stream.seek(0)
    beginning = stream.read(16)
    stream.seek(0)
    try:
        if beginning.startswith(b"\xff\xd8"):
            JpegImagePlugin.JpegImageFile(stream)
        elif beginning[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            directory = TiffImagePlugin.ImageFileDirectory_v2(beginning[: 16 if beginning[2:4] in _BIG else 8])
            stream.seek(directory.next)
            directory.load(stream)
            return _kind_of_tiff(directory)
    except SyntaxError as error:
        if str(error).endswith("-bit layers"):
            return f"a JPEG of more than 8 bits a channel, which is not read; {_SAVE}, as PNG"
    except Exception:  # a damaged file, which may raise anything
        return ""
    return ""


def _kind_of_tiff(directory: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    if directory.get(_PHOTOMETRIC) not in _OF_PICTURES or _BITS_PER_SAMPLE not in directory:
        return ""
    bits = directory[_BITS_PER_SAMPLE]
    kinds = {_SIGNED: "signed integers", _FLOATING: "floating point"}
    kind = kinds.get(max(directory.get(_SAMPLE_FORMAT, (1,))), "integers")
    channels = f"{len(bits)} channel{'s' if len(bits) != 1 else ''}"
    return f"a TIFF of {channels} of {max(bits)} bits ({kind}), which is not read; {_SAVE}, as PNG"


__all__ = ["Decoded", "decode_image", "decode_opened", "is_grey", "picture_formats", "png_chunks", "read_image"]
