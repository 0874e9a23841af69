#!/usr/bin/env bash
# PyTorch 2.13.0. torch.use_deterministic_algorithms(True) is expected to set a flag. It also imports the configuration of
# the compiler (torch._inductor) with all that this needs, in every process that calls it: hundreds of modules.
# torch.set_deterministic_debug_mode("error") sets the same flag and imports none of them.
# The good guess: a setter of a flag costs nothing.
# What is seen: the first imports torch._inductor.config, the second does not; both leave the same mode.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'
look='import sys, torch; before = set(sys.modules); CALL
print(len(set(sys.modules) - before), "torch._inductor.config" in sys.modules, torch.are_deterministic_algorithms_enabled())'
first=$("$folder/venv/bin/python" -c "${look/CALL/torch.use_deterministic_algorithms(True)}")
second=$("$folder/venv/bin/python" -c "${look/CALL/torch.set_deterministic_debug_mode(\"error\")}")
echo "modules imported, the compiler's configuration among them, deterministic:"
echo "use_deterministic_algorithms(True):       $first"
echo "set_deterministic_debug_mode(\"error\"):     $second"
[[ $first =~ ^[0-9]+\ True\ True$ && $second =~ ^0\ False\ True$ ]] || { echo "the behaviour changed"; exit 1; }
