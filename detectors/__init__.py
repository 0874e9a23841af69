"""The players who catch fakes.

from fakeoff.detectors import Detector, register

@register("my_detector")
class MyDetector(Detector):
    ...
"""

from pathlib import Path

from fakeoff.arena.registry import Registry
from fakeoff.detectors.interface import Detector, PatchDetector, capabilities
from fakeoff.detectors.receptive_field import ReceptiveField

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
"""Where weights that ship would lie."""

players: Registry[Detector] = Registry("detector")
register = players.register

players.add("resnet18_layer1", "fakeoff.detectors.resnet:TruncatedResNet18", origin="fakeoff", version=1)
for _block in range(1, 6):
    players.add(
        f"xception_block{_block}",
        "fakeoff.detectors.xception:TruncatedXception",
        origin="fakeoff",
        version=1,
        preset={"block": _block},
    )

__all__ = [
    "WEIGHTS_FOLDER",
    "Detector",
    "PatchDetector",
    "ReceptiveField",
    "capabilities",
    "players",
    "register",
]
