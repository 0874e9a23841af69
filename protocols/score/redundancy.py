"""A mean over generators that does not move when somebody enters a near-copy of one.

A plain mean can be bought: enter the generator that suits a detector ten times. Here generator versions are weighed by
how alike they are to the detectors. Single linkage makes a tree of them: two versions are as far apart as the longest
step on the shortest chain from one to the other. The weights are those of the most diverse mixture on that tree: of all
mixtures, the one in which two versions that are drawn are the least alike.

Sources: diversity with similarities, Leinster and Cobbold, Ecology 93, 2012; the mixture of most diversity, which on a
tree gives every version a weight above 0, Leinster and Meckes, "Maximizing Diversity in Biology and Beyond", Entropy
18, 2016; that single linkage, alone among its kind, moves little where distances move little, Carlsson and Memoli, JMLR
11, 2010.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float64]

SCALE = 0.05
"""Two versions that every detector tells from reals equally well, up to this, are alike to ``exp(-1)``; where some
detector differs by three times as much they are hardly alike. An AUC of a hundred images is not known much better."""

_SAME = 9  # decimals: figures that agree to these are equal


def distinct_weights(figures: Values) -> Values:
    """Weighs generator versions by how much each adds that others do not.

    Two columns are ``d`` apart where some detector's figures of them differ by ``d``, and no one's by more; or less, by
    a chain of others between them. They are alike by ``exp(-d / SCALE)``, and the weights ``w`` have the least ``sum_jk
    w_j w_k alike_jk``. A copy of a column takes half of the other's weight and nothing from anybody else; a near-copy
    moves a mean under these weights by no more than in proportion to its distance. A copy of a row changes nothing.

    Args:
        figures: Of detectors (rows) against generators (columns): float64 ``(m, n)``, nothing missing; at least one of
            each.

    Returns:
        float64 ``(n,)``, all above 0; their sum is 1.

    Example:
        >>> distinct_weights(np.array([[1.0, 1.0, 0.2]])).round(3).tolist()
        [0.25, 0.25, 0.5]
    """
    from scipy.cluster.hierarchy import cophenet, linkage  # half a second that readers of scoreboards do not spend
    from scipy.spatial.distance import pdist, squareform

    distinct, place_of = np.unique(figures.round(_SAME), axis=1, return_inverse=True)
    if distinct.shape[1] == 1:
        return np.full(figures.shape[1], 1 / figures.shape[1])
    # Distances, since figures that happen to be square and symmetric are taken for a matrix of these by `linkage`.
    steps = cophenet(linkage(pdist(distinct.T, metric="chebyshev"), method="single"))
    # On a tree the least is where everybody is equally alike to the mixture.
    weights = np.linalg.solve(np.exp(-squareform(steps) / SCALE), np.ones(distinct.shape[1]))
    weights /= weights.sum()
    place_of = place_of.ravel()
    shared: Values = (weights / np.bincount(place_of))[place_of]
    return shared


__all__ = ["SCALE", "distinct_weights"]
