"""Detectors that are made of detectors, and what of theirs is refused before anything is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import PluginError
from fakeoff.detectors import players


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("ensemble", {"members": ["resnet19"]}, "its member: unknown detector 'resnet19'; did you mean 'resnet18'"),
        (
            "ensemble",
            {"members": [{"plugin": "resnet18_layer1", "parameters": {"x": 1}}]},
            "its member: detector 'resnet18_layer1' has no parameter 'x'",
        ),
        ("ensemble", {"members": []}, "an ensemble has at least one member"),
        ("ensemble", {"members": ["power_spectrum"]}, "its member PowerSpectrum learns by fit"),
        ("ensemble", {"members": ["patch_rounds"]}, "its member PatchRounds goes on from round to round"),
        ("rounds", {"member": "power_spectrum"}, "does not learn by steps"),
        ("rounds", {"member": "patch_rounds"}, "goes on from round to round by itself"),
        ("patch_rounds", {"member": "meso_inception4"}, "judges whole images: enter it in 'rounds'"),
        ("fixed", {"model": "x", "architecture": "torchvision:resnet19"}, "near: resnet18"),
        ("fixed", {"model": "x", "architecture": "torchvision:resnet18", "output": "probability"}, "ends in logits"),
        ("fixed", {"model": "x", "architecture": "nobody"}, "unknown detector 'nobody'"),
        ("fixed", {"model": "x", "architecture": "resnet18", "side": 3}, "takes images of any size: leave side at 0"),
        ("fixed", {"model": "x", "architecture": "resnet18", "output": "probability"}, "brings its own output"),
        ("fixed", {"model": "x", "probe": "p.json", "output": "probability"}, "a probe ends in logits"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_played(
    name: str, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PluginError, match=reason):
        players.complete(name, parameters)


def test_a_members_model_is_opened_in_a_job_and_not_before(tmp_path: Path) -> None:
    inner = {"plugin": "fixed", "parameters": {"model": str(tmp_path / "absent.onnx")}}
    nested = {"plugin": "ensemble", "parameters": {"members": [inner]}}
    for member in (inner, nested):  # building would raise: there is no such file
        players.complete("ensemble", {"members": [member]})
