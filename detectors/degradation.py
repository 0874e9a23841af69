"""Blur and JPEG at random, against which a detector is to become robust.

Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020, section 3.3: blurring and
compression each with a probability, of random strength, in this order.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from fakeoff.arena.images.pipeline import Pixels

MOST_BLUR = 3.0
"""The largest standard deviation of the Gaussian, in pixels; the smallest is 0."""

QUALITIES = (30, 100)
"""The lowest and the highest JPEG quality."""

# Pillow's names for 4:2:0 and 4:4:4. The authors draw one of two libraries, which both write 4:2:0 from the same tables
# and leave nearly the same traces; what differs between files that people have is how chroma is sampled.
SUBSAMPLINGS = ("4:2:0", "4:4:4")
"""How a JPEG may sample chroma; grey images have none, and both are the same for them."""

Floats = npt.NDArray[np.float32]


def degrade(images: Tensor, *, probability: float, rng: torch.Generator) -> Tensor:
    """Blurs some images, and compresses some.

    Each image is blurred with ``probability``, by a Gaussian of a standard deviation of 0 to 3 pixels; and, whether it
    was or not, compressed with ``probability``, by JPEG of quality 30 to 100, with chroma sampled at half of the
    resolution (4:2:0) or at all of it (4:4:4). All are drawn evenly. An image that meets neither stays as it is; grey
    stays grey.

    Args:
        images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
        probability: Of each of both, from 0 to 1.
        rng: A CPU generator, the only source of randomness. What is drawn from it does not depend on the outcome.

    Returns:
        float32 ``(n, 3, h, w)`` in [0, 1], where the images are; no gradient flows through it.
    """
    n = len(images)
    is_blurred, is_compressed = torch.rand(2, n, generator=rng) < probability
    sigmas = torch.rand(n, generator=rng) * MOST_BLUR
    qualities = torch.randint(QUALITIES[0], QUALITIES[1] + 1, (n,), generator=rng)
    samplings = torch.randint(len(SUBSAMPLINGS), (n,), generator=rng)
    chosen = (is_blurred | is_compressed).nonzero()[:, 0]
    if not len(chosen):
        return images
    degraded = images.detach().clone()
    changed: list[Floats] = []
    for index, image in zip(chosen.tolist(), _at_rest(degraded[chosen.to(images.device)]), strict=True):
        seen = blur(image, sigma=sigmas[index].item()) if is_blurred[index] else image
        if is_compressed[index]:
            quality, sampling = int(qualities[index]), SUBSAMPLINGS[int(samplings[index])]
            levels = np.rint(seen * 255).astype(np.uint8)
            seen = compress(levels, quality=quality, subsampling=sampling).astype(np.float32) / 255
        changed.append(seen)
    degraded[chosen.to(images.device)] = torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).to(images)
    return degraded


def blur(image: Floats, *, sigma: float) -> Floats:
    """A Gaussian blur of each channel by itself, mirrored at the border.

    Args:
        image: float32 ``(h, w, 3)`` in [0, 1].
        sigma: The standard deviation in pixels.
    """
    blurred: Floats = ndimage.gaussian_filter(image, sigma=(sigma, sigma, 0))
    return blurred.clip(0, 1)


def compress(image: Pixels, *, quality: int, subsampling: str) -> Pixels:
    """Writes an image as JPEG in memory, and reads it again.

    Args:
        image: uint8 ``(h, w, 3)``, RGB.
        quality: From 1 to 100.
        subsampling: One of :data:`SUBSAMPLINGS`.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"), dtype=np.uint8)


def _at_rest(images: Tensor) -> Floats:
    return images.permute(0, 2, 3, 1).float().cpu().numpy()


__all__ = ["MOST_BLUR", "QUALITIES", "SUBSAMPLINGS", "blur", "compress", "degrade"]
