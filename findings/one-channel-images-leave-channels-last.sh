#!/usr/bin/env bash
# PyTorch 2.13.0. images.contiguous(memory_format=torch.channels_last) is expected to give a batch that convolutions answer in
# channels_last. With one channel (grey images) it does nothing: such a batch lies in memory both ways and keeps its strides,
# and a 1x1 convolution with channels_last weights then answers in the contiguous layout, and everything after it pays for
# that (in Fakeoff's attack step: a tenth, in copies and in activations of mixed layouts). images.to(memory_format=...) sets the
# strides anew, and the same convolution answers in channels_last.
# The good guess: two ways to the same layout, both of which is_contiguous(memory_format=channels_last) confirms, do the same.
# What is seen, one channel: after contiguous() the output is not channels_last, after to() it is; three channels: both are.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn import functional as F

print("torch", torch.__version__)
layout = torch.channels_last
seen = {}
for channels in (1, 3):
    images = torch.rand(16, channels, 64, 64)
    layer = torch.nn.Conv2d(channels, 16, 1).to(memory_format=layout)
    ways = {"contiguous": images.contiguous(memory_format=layout), "to": images.to(memory_format=layout)}
    assert all(way.is_contiguous(memory_format=layout) for way in (*ways.values(), layer.weight))
    for name, way in ways.items():
        seen[channels, name] = layer(way).is_contiguous(memory_format=layout)
        print(f"{channels} channel(s), {name}(): strides {way.stride()}, output in channels_last: {seen[channels, name]}")
    product = F.linear(images.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias).permute(0, 3, 1, 2)
    assert channels > 1 or product.is_contiguous(memory_format=layout)  # a product over pixels keeps it
expected = {(1, "contiguous"): False, (1, "to"): True, (3, "contiguous"): True, (3, "to"): True}
assert seen == expected, "the behaviour changed"
PYTHON
