"""Writes the mean face of the mesh: ``generators/manipulation/mean-face.json``.

    python scripts/mean_face.py

The landmarks at 64 pixels of the photographs of ORL's 28 training people and of their mirror images, all brought onto
their mean by turn, size and place (generalised Procrustes analysis, Gower 1975).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from fakeoff.arena import images
from fakeoff.arena.images.reals import orl_faces
from fakeoff.generators.manipulation.faces import FaceFinder
from fakeoff.generators.manipulation.mesh import align, move

_FILE = Path(__file__).parents[1] / "generators" / "manipulation" / "mean-face.json"


def main() -> None:
    photographs = images.to_tensor(orl_faces().load("train", resolution=64, colour="grey"))
    finder = FaceFinder()
    shapes = []
    for some in (photographs, photographs.flip(-1)):
        faces = finder(some)
        shapes.append(faces.points[faces.found] / some.shape[-1])
    straight, mirrored = shapes
    # Each point's mirror image is the point that lies nearest to it in the mean of the mirrored ones.
    flipped = straight.mean(0) * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    partner = torch.cdist(mirrored.mean(0), flipped + mirrored.mean(0).mean(0) - flipped.mean(0)).argmin(1)
    assert sorted(partner.tolist()) == list(range(len(partner))), "the landmarks' mirror is no symmetry"
    both = torch.cat([straight, mirrored])
    mean = both.mean(0)
    size, middle = mean.std(), mean.mean(0)
    for _ in range(5):
        mean = move(both, align(both, mean)).mean(0)
        mean = (mean - mean.mean(0)) / mean.std() * size + middle
    _FILE.write_text(json.dumps([[round(x, 4), round(y, 4)] for x, y in mean.tolist()]) + "\n")
    print(f"{len(both)} shapes")


if __name__ == "__main__":
    main()
