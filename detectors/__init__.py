"""The players who catch fakes.

from fakeoff.detectors import Detector, register

@register("my_detector")
class MyDetector(Detector):
    ...
"""

from fakeoff.arena.images.batch import Batch
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.entries import Family
from fakeoff.arena.players.interface import Player
from fakeoff.arena.players.plan import Batches, Plan
from fakeoff.arena.players.registry import Registry
from fakeoff.detectors.interface import Detector, PatchDetector
from fakeoff.detectors.receptive_field import ReceptiveField

players: Registry[Detector] = Registry("detector", interface=Detector, group="fakeoff.detectors")
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
players.add("resnet18", "fakeoff.detectors.resnet:ResNet18", origin="fakeoff", version=1)
players.add("xception", "fakeoff.detectors.xception:Xception", origin="fakeoff", version=1)
players.add("meso_inception4", "fakeoff.detectors.meso:MesoInception4", origin="fakeoff", version=1)
for _name, _probability in (("cnn_aug_p01", 0.1), ("cnn_aug_p05", 0.5)):
    players.add(
        _name,
        "fakeoff.detectors.cnn_aug:AugmentedResNet50",
        origin="fakeoff",
        version=1,
        preset={"probability": _probability},
    )
players.add("power_spectrum", "fakeoff.detectors.spectrum:PowerSpectrum", origin="fakeoff", version=1)
players.add("truncated", "fakeoff.detectors.truncated_classifier:TruncatedClassifier", origin="fakeoff", version=1)
for _library, _class in (("torchvision", "TorchvisionClassifier"), ("timm", "TimmClassifier")):
    players.add_family(
        Family(
            prefix=_library,
            target=f"fakeoff.detectors.classifier:{_class}",
            origin="fakeoff",
            version=1,
            argument="architecture",
        )
    )
players.add("fixed", "fakeoff.detectors.fixed.player:Fixed", origin="fakeoff", version=1)
players.add("ensemble", "fakeoff.detectors.ensemble:Ensemble", origin="fakeoff", version=1)
players.add("rounds", "fakeoff.detectors.rounds:Rounds", origin="fakeoff", version=1)
players.add("patch_rounds", "fakeoff.detectors.rounds:PatchRounds", origin="fakeoff", version=1)

__all__ = [
    "Batch",
    "Batches",
    "Detector",
    "PatchDetector",
    "Plan",
    "Player",
    "ReceptiveField",
    "abilities",
    "players",
    "register",
]
