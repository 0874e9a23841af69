"""How a video was encoded: what the frames that are cut out of it no longer say."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fakeoff.arena.errors import DataError
from fakeoff.arena.videos.frames import MOST_FRAMES, opened_video

_MEASURED_FRAMES = 10
"""Whose quantiser is read: it changes less from frame to frame than from one encoding to another."""

_X264 = re.compile(rb"x264 - core .*?\0", re.DOTALL)
_RATE_CONTROL = re.compile(rb"\brc=(\w+).*?\b(?:crf|bitrate|qp)=([\d.]+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a video was encoded.

    Attributes:
        codec: Such as ``h264``.
        profile: Of the codec; empty where it has none.
        size: Width and height, ``640x480``.
        frames: In the file.
        frames_per_second: Of them, by when they are shown.
        bits_per_second: Of the video's own packets; sound and container are not counted.
        frames_per_keyframe: One divided by the share of frames that need no other.
        reordered: Whether frames are stored in another order than they are shown: there are B frames.
        quantiser: The mean over the blocks of the first frames, in the codec's own steps, where the decoder says it.
        rate_control: What x264 says of itself in the stream: ``crf 23.0``; empty elsewhere.
    """

    codec: str
    profile: str
    size: str
    frames: int
    frames_per_second: float
    bits_per_second: float
    frames_per_keyframe: float
    reordered: bool
    quantiser: float | None
    rate_control: str


def read_encoding(path: Path) -> Encoding:
    """Reads how a video was encoded: from its packets, and of the first frames what they were quantised with.

    Args:
        path: The file; it is treated as hostile.

    Raises:
        DataError: It is empty, damaged, too large, or no video.
        FakeoffError: PyAV is not installed.
    """
    bits = keyframes = 0
    shown: list[int] = []
    rate_control = ""
    with opened_video(path) as (container, stream):
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            if not shown:
                rate_control = _rate_control(bytes(packet))
            bits += 8 * packet.size
            keyframes += bool(packet.is_keyframe)
            shown.append(packet.pts)
            if len(shown) > MOST_FRAMES:
                raise DataError(f"more than {MOST_FRAMES:,} frames")
        if not shown:
            raise DataError("no frame in it")
        context = stream.codec_context
        seconds = (max(shown) - min(shown)) * float(stream.time_base or 0)
        rate = (len(shown) - 1) / seconds if seconds > 0 else float(stream.average_rate or 0)
        codec, profile, size = context.name, context.profile or "", f"{context.width}x{context.height}"
    return Encoding(
        codec=codec,
        profile=profile,
        size=size,
        frames=len(shown),
        frames_per_second=round(rate, 3),
        bits_per_second=round(bits * rate / len(shown), 1),
        frames_per_keyframe=round(len(shown) / max(1, keyframes), 3),
        reordered=shown != sorted(shown),
        quantiser=_quantiser(path),
        rate_control=rate_control,
    )


def encoding_of(path: Path) -> Encoding | None:
    """As :func:`read_encoding`; None where it cannot be read: why is said when its frames are."""
    try:
        return read_encoding(path)
    except DataError:
        return None


def parse_encoding(said: Mapping[str, Any] | None) -> Encoding | None:
    """What was kept as JSON.

    Raises:
        TypeError: It is something else.
        ValueError: Likewise.
    """
    if said is None:
        return None
    found = Encoding(**said)
    numbers = (found.frames, found.frames_per_second, found.bits_per_second, found.frames_per_keyframe)
    texts = (found.codec, found.profile, found.size, found.rate_control)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int | float) for n in numbers):
        raise ValueError("its encoding is none")
    if not isinstance(found.quantiser, int | float | None) or not isinstance(found.reordered, bool):
        raise ValueError("its encoding is none")
    return found


def _rate_control(packet: bytes) -> str:
    """x264 writes its settings into the first packet, as text."""
    said = _X264.search(packet)
    numbers = _RATE_CONTROL.search(said[0]) if said else None
    return f"{numbers[1].decode()} {numbers[2].decode()}"[:48] if numbers else ""


def _quantiser(path: Path) -> float | None:
    means: list[float] = []
    # Not every decoder exports it, and one that does may have fewer blocks than the frame: no reason to refuse it.
    with contextlib.suppress(DataError), opened_video(path) as (container, stream):
        stream.codec_context.options = {**stream.codec_context.options, "export_side_data": "venc_params"}
        for frame in itertools.islice(container.decode(stream), _MEASURED_FRAMES):
            data: Any
            for data in frame.side_data:
                if data.type.name == "VIDEO_ENC_PARAMS":
                    means.append(float(np.mean(data.qp_map())))
    return round(float(np.mean(means)), 2) if means else None


__all__ = ["Encoding", "encoding_of", "parse_encoding", "read_encoding"]
