"""How far sets of images are apart, without a network that somebody else trained.

- ``eigenface_kid`` sees the whole face: the kernel distance of Binkowski et al., "Demystifying MMD GANs", ICLR
  2018, with the coordinates on the leading principal components of the training reals (eigenfaces: Turk and
  Pentland, 1991) in place of Inception features, which mean little for small grey faces.
- ``sliced_wasserstein`` sees local texture at each scale: the metric that Karras et al. propose for Progressive
  GANs (ICLR 2018, section 5), on 7 x 7 patches of a Laplacian pyramid.
- ``pixel_l1`` and ``ssim`` compare two images of the same latent.
- ``total_variation`` compares how often what can be counted occurs.

All images are uint8 ``(n, h, w, 3)``. What takes a second to import is imported where it computes: the driver of a game
only names these functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fakeoff.arena.images import Pixels
from fakeoff.arena.seeds import sealed

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_EIGENFACES = 48
_PATCH = 7
_PATCHES_EACH = 32
_PROJECTIONS = 128
_QUANTILES = 1000
_COARSEST = 16
_PIXELS_AT_A_TIME = 1 << 22


def total_variation(before: Array, after: Array) -> Array:
    """Half the sum of absolute differences along the last axis; in [0, 1]."""
    return np.asarray(np.minimum(np.abs(after - before).sum(axis=-1) / 2, 1.0))


def pixel_l1(images: Pixels, others: Pixels) -> float:
    """The mean absolute difference, image by image, in [0, 1]."""
    total = sum(
        int(np.abs(images[part].astype(np.int16) - others[part]).sum(dtype=np.int64)) for part in _parts(images)
    )
    return total / images.size / 255


def ssim(images: Pixels, others: Pixels) -> float:
    """The mean structural similarity, image by image; 1 is identical (Wang et al., 2004)."""
    with sealed("import", "scikit-image"):
        from skimage.metrics import structural_similarity

    pairs = (pair for part in _parts(images) for pair in zip(_grey(images[part]), _grey(others[part]), strict=True))
    return float(np.mean([structural_similarity(a, b, data_range=1.0) for a, b in pairs]))


def eigenface_kid(images: Pixels, others: Pixels, *, basis: Pixels) -> float:
    """The unbiased squared kernel distance between two sets, times 1,000.

    Args:
        images: One set.
        others: The other.
        basis: What the eigenfaces are computed from: the training reals.

    Returns:
        About 0 for two samples of one distribution; it may be slightly negative.
    """
    [distance] = eigenface_kids([images], others, basis=basis)
    return distance


def eigenface_kids(sets: Sequence[Pixels], others: Pixels, *, basis: Pixels) -> list[float]:
    """:func:`eigenface_kid` of several sets, on the same eigenfaces."""
    with sealed("import", "scikit-learn"):  # it draws from Python's own generator
        from sklearn.decomposition import PCA

    components = min(_EIGENFACES, len(basis) - 1)
    pca = PCA(components, whiten=True, svd_solver="full").fit(_flat(basis))
    y = pca.transform(_flat(others))
    return [_kernel_distance(pca.transform(_flat(images)), y) for images in sets]


def _kernel_distance(x: Array, y: Array) -> float:
    with sealed("import", "scikit-learn"):
        from sklearn.metrics.pairwise import polynomial_kernel

    xx, yy, xy = (polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float((within - 2 * xy.mean()) * 1000)


def sliced_wasserstein(images: Pixels, others: Pixels, *, rng: np.random.Generator) -> float:
    """The mean sliced Wasserstein distance over the levels of a Laplacian pyramid, times 1,000."""
    levels = []
    for side in _sides(images.shape[1]):
        places = [_draw_places(len(some), side, rng) for some in (images, others)]
        directions = rng.standard_normal((_PATCH * _PATCH, _PROJECTIONS))
        levels.append((places, directions / np.linalg.norm(directions, axis=0)))
    a, b = (_patches(some, [places[k] for places, _ in levels]) for k, some in enumerate((images, others)))
    found = []
    for one, other, (_, directions) in zip(a, b, levels, strict=True):
        found.append(float(np.abs(_quantiles(one @ directions) - _quantiles(other @ directions)).mean()))
    return float(np.mean(found) * 1000)


def _sides(side: int) -> list[int]:
    """Pixels a side of the levels of a pyramid."""
    sides = [side]
    while sides[-1] > _COARSEST:
        sides.append(-(-sides[-1] // 2))
    return sides


def _draw_places(n: int, side: int, rng: np.random.Generator) -> Places:
    """Where patches lie: their upper left corners, int64 ``(n, patches, 2)``."""
    corners = [rng.integers(0, side - _PATCH + 1, n * _PATCHES_EACH) for _ in range(2)]
    return np.stack(corners, axis=1).reshape(n, _PATCHES_EACH, 2)


def _patches(images: Pixels, places: Sequence[Places]) -> list[Array]:
    """Patches of each level, ``(n * patches, 49)`` each; few images are numbers at a time."""
    found: list[list[Array]] = [[] for _ in places]
    for part in _parts(images):
        for level, kept, where in zip(_pyramid(_grey(images[part])), found, places, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(level, (_PATCH, _PATCH), axis=(1, 2))
            corners = where[part]
            chosen = windows[np.arange(len(corners))[:, None], corners[..., 0], corners[..., 1]]
            kept.append(chosen.reshape(-1, _PATCH * _PATCH))
    return [np.concatenate(kept) for kept in found]


def _quantiles(projections: Array) -> Array:
    """A thousand quantiles of each column, so that sets of different sizes can be compared."""
    ordered = np.sort(projections.astype(np.float32), axis=0)
    where = np.linspace(0, len(ordered) - 1, _QUANTILES).round().astype(np.intp)
    return ordered[where].astype(np.float64)


def _pyramid(images: Array) -> list[Array]:
    levels = []
    while images.shape[1] > _COARSEST:
        small = ndimage.gaussian_filter(images, sigma=(0, 1, 1))[:, ::2, ::2]
        back = ndimage.zoom(small, (1, 2, 2), order=1, grid_mode=True, mode="nearest")[
            :, : images.shape[1], : images.shape[2]
        ]
        levels.append(images - back)
        images = small
    return [*levels, images]


def _parts(images: Pixels) -> Iterator[slice]:
    """Some images of a set at a time: as numbers an image takes eight times its bytes."""
    step = max(1, _PIXELS_AT_A_TIME // (images.shape[1] * images.shape[2]))
    for first in range(0, len(images), step):
        yield slice(first, first + step)


def _grey(images: Pixels) -> Array:
    luma: Array = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    return luma


def _flat(images: Pixels) -> Array:
    return images.reshape(len(images), -1).astype(np.float64) / 255
