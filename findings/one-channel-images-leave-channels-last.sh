#!/usr/bin/env bash
# PyTorch 2.13.0. A network whose weights are channels_last is expected to stay in that layout for a batch that is
# channels_last too. With one input channel (grey images) it does not: such a batch lies in memory both ways, PyTorch
# takes it for contiguous, and the convolution answers in the contiguous layout. Everything after it pays for that
# (measured in Fakeoff's attack step: a tenth of it, in copies and in activations of mixed layouts).
# The good guess: is_contiguous(memory_format=channels_last) says True for the input and the weight, so the output is too.
# What is seen: input True, weight True, output False; with three input channels all three are True.
# A product over the pixels' features, F.linear(x.permute(0, 2, 3, 1), ...), keeps the layout.
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
    images = torch.rand(16, channels, 64, 64).to(memory_format=layout)
    layer = torch.nn.Conv2d(channels, 16, 1).to(memory_format=layout)
    parts = (images, layer.weight, layer(images))
    seen[channels] = tuple(part.is_contiguous(memory_format=layout) for part in parts)
    print(f"{channels} channel(s): input, weight, output in channels_last: {seen[channels]}")
    product = F.linear(images.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias).permute(0, 3, 1, 2)
    assert product.is_contiguous(memory_format=layout)
    assert torch.allclose(product, layer(images), atol=1e-5)
assert seen == {1: (True, True, False), 3: (True, True, True)}, "the behaviour changed"
PYTHON
