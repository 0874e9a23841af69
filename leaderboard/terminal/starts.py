"""What detectors start from that may be given pretrained weights: the same name is another player with and without."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any

from fakeoff import detectors
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.specs import WEIGHTS
from fakeoff.arena.players.static.describe import describe


def describe_starts(config: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """Says what each detector starts from, of those that take pretrained weights.

    Args:
        config: As it is kept with results.
        without: Names of detectors that never played: they may have been refused for their weights.

    Returns:
        One line, such as ``cnn_aug_p01 from resnet50.pth, cnn_aug_p05 from scratch``; empty where none takes any, or
        where what it takes is not known without running it.
    """
    starts = []
    for section in config.get("detectors", ()):
        if section["name"] in without:
            continue
        try:
            entry = detectors.players.entry(section["plugin"])
        except PluginError:  # of a plugin file that this process was not given
            continue
        description = describe(entry, interface=detectors.Detector, capabilities=detectors.abilities)
        for parameter in description.parameters or ():
            if parameter.name == WEIGHTS:
                weights = section["parameters"].get(WEIGHTS, _plain(parameter.default))
                starts.append(f"{section['name']} from {weights or 'scratch'}")
    return ", ".join(starts)


def _plain(default: str) -> Any:
    """A default as a value, where it is one that can be written."""
    try:
        return ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return default


__all__ = ["describe_starts"]
