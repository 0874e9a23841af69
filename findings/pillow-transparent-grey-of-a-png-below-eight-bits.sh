#!/usr/bin/env bash
# Pillow 13.0.0. A grey PNG of 2 or 4 bits may name one level as transparent (tRNS), in the file's own levels: 0 to 3, or 0
# to 15 (PNG specification, 11.3.2.1). Pillow scales the pixels to 0 to 255 and not that level, so that nothing, or another
# level, is transparent.
# The good guess: after convert("RGBA") the pixels of the named level have an alpha of 0, as they have of 8 bits.
# What is seen: of 8 bits they have; of 2 and 4 bits all pixels have an alpha of 255.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pillow==13.0.0' 'numpy==2.4.6'
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image


def png(depth: int, levels: list[int], transparent: int) -> bytes:
    """One row of grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bits = "".join(f"{level:0{depth}b}" for level in levels)
    bits += "0" * (-len(bits) % 8)
    row = b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", len(levels), 1, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"tRNS", struct.pack(">H", transparent)), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b"")]
    )


seen = {}
for depth, levels, transparent in ((8, [0, 85, 170, 255], 170), (4, [0, 5, 10, 15], 10), (2, [0, 1, 2, 3], 2)):
    image = Image.open(io.BytesIO(png(depth, levels, transparent)))
    converted = np.asarray(image.convert("RGBA"))
    seen[depth] = converted[0, :, 3].tolist()
    print(f"{depth} bits: grey {converted[0, :, 0].tolist()}, alpha {seen[depth]}")
if not (seen[8] == [255, 255, 0, 255] and seen[4] == seen[2] == [255] * 4):
    sys.exit("the behaviour changed")
PYTHON
