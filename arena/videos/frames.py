"""Frames of a video at given instants; a video file is treated as hostile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fakeoff.arena.errors import DataError, FakeoffError, one_line

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FORMATS = "mov,avi,matroska"
_MOST_PIXELS = 40_000_000
MOST_FRAMES = 200_000
_SMALLEST_SIDE = 16


@dataclass(frozen=True, kw_only=True)
class Instants:
    """When the frames of a video are shown.

    Attributes:
        ticks: Presentation times in the stream's units, ascending.
        seconds: The same in seconds after the first frame.
    """

    ticks: tuple[int, ...]
    seconds: tuple[float, ...]

    def spread(self, n: int) -> tuple[int, ...]:
        """The places of ``n`` frames that lie evenly, each in the middle of its share; all where there are fewer."""
        have = len(self.ticks)
        if have <= n:
            return tuple(range(have))
        return tuple(int((index + 0.5) * have / n) for index in range(n))

    def shown_at(self, second: float) -> int | None:
        """The place of the frame that is on the screen then; None after the end.

        A frame that begins a quarter of its time later counts: two files round the same instant differently.
        """
        each = self.seconds[-1] / max(1, len(self.seconds) - 1) or 1.0
        if second > self.seconds[-1] + 0.75 * each:
            return None
        return max(0, bisect_right(self.seconds, second + each / 4) - 1)


def read_instants(path: Path) -> Instants:
    """When the frames of a video are shown, from the file's index; nothing is decoded.

    Args:
        path: The file.

    Raises:
        DataError: It is empty, damaged, too large, or no video.
        FakeoffError: PyAV is not installed.
    """
    with opened_video(path) as (container, stream):
        ticks: list[int] = []
        for packet in container.demux(stream):
            if packet.pts is not None:
                ticks.append(packet.pts)
            if len(ticks) > MOST_FRAMES:
                raise DataError(f"more than {MOST_FRAMES:,} frames")
        if not ticks:
            raise DataError("no frame in it")
        ordered = sorted(set(ticks))
        unit = float(stream.time_base or 0)
        return Instants(ticks=tuple(ordered), seconds=tuple((tick - ordered[0]) * unit for tick in ordered))


def read_frames(path: Path, places: Sequence[int], instants: Instants) -> list[npt.NDArray[np.uint8]]:
    """Decodes the frames at given places.

    Args:
        path: The file.
        places: Of ``instants``, ascending.
        instants: Of the same file.

    Returns:
        uint8 ``(h, w, 3)``, RGB and upright, for each place.

    Raises:
        DataError: A frame cannot be decoded, or they are not all of one size.
        FakeoffError: PyAV is not installed.
    """
    wanted = {instants.ticks[place] for place in places}
    found: dict[int, npt.NDArray[np.uint8]] = {}
    with opened_video(path) as (container, stream):
        for frame in container.decode(stream):
            if frame.pts in wanted:
                upright = np.rot90(frame.to_ndarray(format="rgb24"), k=round(frame.rotation / 90) % 4)
                found[frame.pts] = np.ascontiguousarray(upright)
                if len(found) == len(wanted):
                    break
    if missing := len(wanted) - len(found):
        raise DataError(f"damaged: {missing} of {len(wanted)} frames cannot be decoded")
    if len({frame.shape for frame in found.values()}) > 1:
        raise DataError("its frames are of several sizes")
    return [found[instants.ticks[place]] for place in places]


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the first video in a file, and says in a line why it cannot be read.

    Args:
        path: The file.

    Raises:
        DataError: It is empty, damaged, too large, or no video; whatever is raised while it is open becomes one.
        FakeoffError: PyAV is not installed.
    """
    av = _library()
    try:
        # A file object: formats that name other files (playlists) could open none, and are not tried.
        with path.open("rb") as file, av.open(file, container_options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.video:
                raise DataError("no video in it")
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > _MOST_PIXELS:
                raise DataError(f"{width}x{height} pixels; at most {_MOST_PIXELS // 1_000_000} megapixels")
            if min(width, height) < _SMALLEST_SIDE:
                raise DataError(f"{width}x{height} pixels; at least {_SMALLEST_SIDE} a side are needed")
            stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
            yield container, stream
    except FakeoffError:
        raise
    except Exception as error:  # libav raises some twenty kinds, and OSError, ValueError, MemoryError
        if path.is_file() and path.stat().st_size == 0:
            raise DataError("the file is empty") from error
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
            raise DataError(f"cannot be opened: {error.strerror or one_line(error)}") from error
        raise DataError(f"cannot be read as a video: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """What libav says of a file, without its numbers and without the names of its functions."""
    log = getattr(error, "log", None)  # the last line that it logged says more than the error
    said = str(log[2]) if log else str(getattr(error, "strerror", None) or one_line(error))
    if "not on whitelist" in said:
        return "no MP4, AVI or Matroska file"
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said).split()).rstrip(".")


def _library() -> Any:
    try:
        import av
    except ImportError as error:
        raise FakeoffError(
            "videos are read by PyAV, which is not installed; run: pip install 'fakeoff[video]'"
        ) from error
    av.logging.set_level(av.logging.PANIC)  # what it says of damaged files is told by name
    return av
