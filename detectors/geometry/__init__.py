"""The receptive field of a network that somebody else built: computed from its graph, and proved by its gradients."""

from torch import nn

from fakeoff.detectors.geometry.feature_map import FeatureMap, UnknownGeometry
from fakeoff.detectors.geometry.proof import prove
from fakeoff.detectors.geometry.walk import follow


def proved_map(network: nn.Module) -> FeatureMap:
    """Follows a network from the image to its map, and holds what was computed against the network's gradients.

    Args:
        network: ``(n, 3, h, w)`` to ``(n, c, h', w')``, or to a table with one such map, that :mod:`torch.fx` traces.

    Returns:
        The map; its units see as many rows as columns.

    Raises:
        UnknownGeometry: Height and width are treated differently, an operation sees the whole image or is not known,
            or the gradients of the network say otherwise than the computation.
    """
    seen = follow(network)
    if seen.rows != seen.columns:
        raise UnknownGeometry(
            f"a unit sees {seen.rows.size} rows and {seen.columns.size} columns, and a patch has as many of both"
        )
    prove(network, seen.rows)
    return seen


__all__ = ["FeatureMap", "UnknownGeometry", "follow", "prove", "proved_map"]
