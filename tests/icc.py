"""ICC profiles made by hand: a matrix and a gamma, or a gamma of grey."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""The primaries of Adobe RGB (1998) as XYZ under D50: red, green, blue."""

P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Those of Display P3."""

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""Those of sRGB."""

_D50 = (0.9642, 1.0, 0.8249)
_HEAD, _ENTRY = 128, 12


def srgb_curve() -> bytes:
    """The transfer function of sRGB, as the five numbers of a parametric curve."""
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(number * 65536) for number in numbers))


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(name: str, primaries: Sequence[Sequence[float]], curve: bytes) -> bytes:
    """A profile of a display."""
    tags = {f"{letter}XYZ": _xyz(primary) for letter, primary in zip("rgb", primaries, strict=True)}
    return _profile(b"RGB ", name, tags | {f"{letter}TRC": curve for letter in "rgb"})


def grey_profile(name: str, curve: bytes) -> bytes:
    """A profile of grey."""
    return _profile(b"GRAY", name, {"kTRC": curve})


def _xyz(numbers: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(number * 65536) for number in numbers))


def _profile(space: bytes, name: str, own: Mapping[str, bytes]) -> bytes:
    said = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(said)) + said + bytes(78)
    tags = {"desc": description, "cprt": b"text" + bytes(4) + b"none\0", "wtpt": _xyz(_D50), **own}
    table, data = b"", b""
    for tag, content in tags.items():
        at = _HEAD + 4 + _ENTRY * len(tags) + len(data)
        table += tag.encode() + struct.pack(">II", at, len(content))
        data += content + bytes(-len(content) % 4)
    size = _HEAD + 4 + len(table) + len(data)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x0240_0000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_D50)[8:]
    return head.ljust(_HEAD, b"\0") + struct.pack(">I", len(tags)) + table + data


def ink_profile(name: str, corners: Mapping[tuple[int, int, int, int], tuple[float, float, float]]) -> bytes:
    """A profile of a press: CIELAB of each full or missing ink, by (cyan, magenta, yellow, black), linear between."""
    table = b"".join(
        bytes((round(light * 2.55), round(a) + 128, round(b) + 128))
        for _, (light, a, b) in sorted(corners.items())  # the last ink changes fastest
    )
    ramp = bytes(range(256))
    unity = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + unity + ramp * 4 + table + ramp * 3
    made = _profile(b"CMYK", name, {"A2B0": lut})
    return made[:12] + b"prtr" + made[16:20] + b"Lab " + made[24:]
