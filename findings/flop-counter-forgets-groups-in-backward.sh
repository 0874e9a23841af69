#!/usr/bin/env bash
# PyTorch 2.13.0. torch.utils.flop_counter.FlopCounterMode is expected to count a depthwise convolution's backward as
# twice its forward (one pass each for the gradients of images and weights), as it does for a plain convolution. It counts
# the weights' gradient as if there were no groups: for 128 channels 128 times too much, so that a network of depthwise
# convolutions (Xception, MobileNet, ConvNeXt) seems to run near its processor's peak.
# The good guess: backward / forward = 2 with groups=128 as with groups=1.
# What is seen: 2 for groups=1, 129 for groups=128.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
seen = {}
for groups in (1, 128):
    layer = torch.nn.Conv2d(128, 128, 3, padding=1, groups=groups, bias=False)
    images = torch.randn(2, 128, 8, 8, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        answer = layer(images)
    with FlopCounterMode(display=False) as backward:
        answer.sum().backward()
    seen[groups] = backward.get_total_flops() / forward.get_total_flops()
    print(f"groups={groups}: forward {forward.get_total_flops()}, backward / forward {seen[groups]:g}")
assert seen == {1: 2, 128: 129}, "the behaviour changed"
PYTHON
