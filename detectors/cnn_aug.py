"""ResNet-50 that is trained on blurred and compressed images.

Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020, section 3: one logit, binary
cross entropy, and augmentation by blur and JPEG. The paper of this arena has it as its strongest rival (section 4.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fakeoff.arena.compute import image_layout
from fakeoff.arena.players.checkpoints import flatten
from fakeoff.arena.seeds import sealed
from fakeoff.detectors.degradation import degrade
from fakeoff.detectors.trained import flip_some, initialise, without_weights
from fakeoff.detectors.whole import WholeNetwork

# Of ImageNet; every published ResNet-50 was trained on images that were normalised so.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
# The authors crop 224 pixels of 256.
_CROP = 7 / 8
_OWN, _THEIRS, _HEAD = "network.", "model.", "fc."
_NOT_IN_OLD_FILES = "num_batches_tracked"


class AugmentedResNet50(WholeNetwork):
    """ResNet-50 trained on images that are blurred and compressed at random, cropped and flipped.

    Published, it starts from ImageNet's weights; without ``weights`` it learns from scratch. It judges images of any
    size.

    Args:
        probability: Of blur, and of JPEG.
        learning_rate: Adam's; 1e-4 is the authors'. The paper finetunes their finished detector at 1e-6.
        weights: A file to start from, or none (``""``): torchvision's ResNet-50 (``.pth`` or ``.safetensors``), of
            whatever number of classes, whose last layer begins anew; or the authors' detector
            (``blur_jpg_prob0.1.pth``, ``blur_jpg_prob0.5.pth``), which is taken whole.
        init_seed: Of the initial weights that no file brings.
    """

    def __init__(
        self, *, probability: float, learning_rate: float = 1e-4, weights: str | None = "", init_seed: int = 0
    ) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"probability is {probability}; give a number from 0 to 1")
        del weights  # the arena loads them into the state dict
        with sealed("import", "torchvision"):  # here: it imports half of a compiler, which takes two seconds
            from torchvision.models import resnet50

        network = without_weights(lambda: resnet50(weights=None, num_classes=1))
        super().__init__(network, learning_rate=learning_rate, mean=_MEAN, std=_STD)
        self.probability = probability
        initialise(self, seed=init_seed)
        self.register_load_state_dict_pre_hook(_take_published)  # type: ignore[no-untyped-call]

    def augment(self, images: Tensor, *, rng: torch.Generator) -> Tensor:
        """Blur, JPEG, a window of 7/8 of the sides, and flips, of each image by itself.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
            rng: A CPU generator, the only source of randomness.

        Returns:
            float32 ``(n, 3, h', w')`` in [0, 1].
        """
        return flip_some(_crop_some(degrade(images, probability=self.probability, rng=rng), rng=rng), rng=rng)


def _crop_some(images: Tensor, *, rng: torch.Generator) -> Tensor:
    """Cuts another window out of each image."""
    height, width = images.shape[-2:]
    rows, columns = max(1, round(height * _CROP)), max(1, round(width * _CROP))
    tops = torch.randint(height - rows + 1, (len(images),), generator=rng).tolist()
    lefts = torch.randint(width - columns + 1, (len(images),), generator=rng).tolist()
    windows = [
        image[:, top : top + rows, left : left + columns] for image, top, left in zip(images, tops, lefts, strict=True)
    ]
    return image_layout(torch.stack(windows))


def _take_published(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Renames weights of torchvision's ResNet-50, and of the authors' detector; a head of other classes is left out."""
    flatten(state)
    if any(name.startswith(_OWN) for name in state):
        return
    theirs: dict[str, Tensor] = {name.removeprefix(_THEIRS): value for name, value in state.items()}
    ours: dict[str, Tensor] = module.get_submodule("network").state_dict()
    for name, value in ours.items():
        if name.startswith(_HEAD) or name.endswith(_NOT_IN_OLD_FILES):
            continue
        if name not in theirs:
            raise ValueError(f"it has no '{name}'; give a ResNet-50 as torchvision names its layers")
        if theirs[name].shape != value.shape:
            sizes = " x ".join(map(str, theirs[name].shape))
            raise ValueError(f"its '{name}' is {sizes}, which is no ResNet-50's; give one as torchvision has it")
    heads = {name: value for name, value in ours.items() if name.startswith(_HEAD)}
    if all(name in theirs and theirs[name].shape == value.shape for name, value in heads.items()):
        heads = {}  # theirs is of fakes and reals
    state.clear()
    state |= {f"{_OWN}{name}": value for name, value in (theirs | heads).items()}


__all__ = ["AugmentedResNet50"]
