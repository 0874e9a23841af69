#!/usr/bin/env bash
# Pillow 13.0.0. A TIFF of 16 bits a channel, RGB, uncompressed, with its channels in planes one after the other
# (PlanarConfiguration 2, which TIFF 6.0 has), is valid; tifffile writes it and reads it back. Pillow opens it as RGB and
# gives other pixels, without an error: of each 16-bit sample both bytes are taken for samples of 8 bits.
# The good guess: the upper byte of each sample, as Pillow gives of the same image with interleaved channels; or an error.
# What is seen: right pixels where channels are interleaved, wrong ones in planes; 16-bit samples of 1000 become 232 and 3.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pillow==13.0.0' 'tifffile==2026.3.3' 'numpy==2.4.6'
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
import tifffile
from PIL import Image

pixels = np.array([[[0, 1000, 65535], [5, 6, 65000]]], np.uint16)  # height, width, RGB
right = (pixels >> 8).tolist()
seen = {}
for arrangement in ("contig", "separate"):
    file = io.BytesIO()
    laid = pixels if arrangement == "contig" else pixels.transpose(2, 0, 1)
    tifffile.imwrite(file, laid, photometric="rgb", planarconfig=arrangement)
    file.seek(0)
    back = tifffile.imread(file)
    assert (back if arrangement == "contig" else back.transpose(1, 2, 0)).tolist() == pixels.tolist()
    file.seek(0)
    image = Image.open(file)
    seen[arrangement] = np.asarray(image).tolist()
    print(f"{arrangement:8}: mode {image.mode}, {seen[arrangement]}")
print(f"upper bytes      : {right}")
if not (seen["contig"] == right and seen["separate"] != right):
    sys.exit("the behaviour changed")
PYTHON
