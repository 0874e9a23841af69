#!/usr/bin/env bash
# scikit-learn 1.9.1 with rich 15.0.0. An import is expected to leave Python's global random generator as it was seeded.
# Importing sklearn.decomposition moves it on by one draw, but only where rich is installed: scikit-learn imports it where
# it is there, and rich.style draws its first identifier from random at import. Whoever seeds, imports later (in a worker,
# in a function) and draws then gets other numbers than who imported before, and than a machine without rich.
# The good guess: the same seed gives the same draws, whatever is installed.
# What is seen: with rich the first draw after the import differs; without it it does not.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'scikit-learn==1.9.1' 'numpy==2.3.5'
look='import random; random.seed(0); expected = random.random(); random.seed(0)
import sklearn.decomposition
print("same" if random.random() == expected else "another")'
without=$("$folder/venv/bin/python" -c "$look")
"$folder/venv/bin/pip" install --quiet 'rich==15.0.0'
with=$("$folder/venv/bin/python" -c "$look")
echo "the first draw after the import, without rich: $without"
echo "the first draw after the import, with rich:    $with"
[[ $without == same && $with == another ]] || { echo "the behaviour changed"; exit 1; }
