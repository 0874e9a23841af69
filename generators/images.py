"""A folder of fakes as a generator: images that somebody else made, by whatever means."""

from __future__ import annotations

import glob
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from fakeoff.arena.images import crop_square, generator_transform, to_tensor
from fakeoff.arena.images.batch import Batch
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import SPLITS, folder_source
from fakeoff.arena.images.splits import Grouping
from fakeoff.arena.players.specs import Folder
from fakeoff.generators.interface import Generator, Wanted


class Images(Generator):
    """Shows the images of a folder; it does not learn. The same picture twice is shown once.

    Sub-folders called ``train``, ``val`` and ``test`` are its split, as those of reals are; where there are none, the
    images are divided by the hash of their names, so that no image is ever seen in training and in the score.

    Args:
        folder: Of the fakes, of any format that Pillow reads, searched in depth.
        resolution: Height and width in pixels that they are cropped and resized to; 0 takes them as they are, where
            they are all square and of one size.
        masks: A folder of what was changed in each: an image of the same name, whatever its ending, and of the same
            size, white where the fake differs from the real that it was made from. Empty where that is not known.
    """

    def __init__(self, *, folder: Folder = "", resolution: int = 0, masks: Folder = "") -> None:
        super().__init__()
        self.resolution = resolution or 1
        self.register_buffer("pixels", torch.zeros(0, 3, 1, 1, dtype=torch.uint8))
        self.register_buffer("split", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("masks", None)  # not in the state where there are none
        self.register_load_state_dict_pre_hook(_take_its_size)  # type: ignore[no-untyped-call]
        if folder:
            self._read(Path(folder), resolution, Path(masks) if masks else None)

    pixels: Tensor
    split: Tensor
    masks: Tensor | None

    def sample(self, n: int, *, rng: torch.Generator) -> Tensor:
        drawn = torch.randint(max(1, len(self.pixels)), (n,), generator=rng)
        return self._images(drawn)

    def fakes(self, wanted: Wanted, *, rng: torch.Generator) -> Batch:
        order = torch.randperm(len(self.pixels), generator=rng)
        places = order.to(self.split.device)
        mask = None if self.masks is None else self.masks[places].float() / 255
        made = Batch(images=self._images(order), split=self.split[places], mask=mask)
        if wanted.report is not None:
            wanted.report(len(made))
        return made

    def _images(self, places: Tensor) -> Tensor:
        return self.pixels[places.to(self.pixels.device)].float() / 255

    def _read(self, folder: Path, resolution: int, masks: Path | None) -> None:
        source = folder_source(
            folder, grouping=Grouping(split_by="file", otherwise="or call them otherwise"), skip_corrupt=False
        )
        photographs = [(photograph, split) for split in SPLITS for photograph in source.photographs[split]]
        opened = [read_image(photograph.path).convert("RGB") for photograph, _ in photographs]
        sizes = {image.size for image in opened}
        if not resolution:
            if len(sizes) > 1 or any(width != height for width, height in sizes):
                found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:3])
                raise ValueError(f"the images in '{folder.name}' are of {found} pixels: say to what: resolution = 64")
            resolution = opened[0].width
        self.resolution = resolution
        pixels = np.stack([generator_transform(image, resolution=resolution, colour="rgb") for image in opened])
        self.pixels = (to_tensor(pixels) * 255).round().to(torch.uint8)
        if masks is not None:
            names = [photograph.path.relative_to(folder).as_posix() for photograph, _ in photographs]
            self.masks = torch.from_numpy(
                np.stack([_mask_of(name, image, masks, resolution) for name, image in zip(names, opened, strict=True)])
            )[:, None]
        self.split = torch.tensor([SPLITS.index(split) for _, split in photographs])


def _mask_of(name: str, image: Image.Image, masks: Path, resolution: int) -> npt.NDArray[np.uint8]:
    """The mask of an image, through the crop and to the size of the image; uint8 ``(resolution, resolution)``."""
    found = sorted(masks.glob(f"{glob.escape(PurePosixPath(name).with_suffix('').as_posix())}.*"))
    if len(found) != 1:
        raise ValueError(f"'{name}' has {len(found) or 'no'} masks in '{masks.name}': give one of the same name")
    mask = read_image(found[0]).convert("L")
    if mask.size != image.size:
        sizes = " and ".join(f"{one.width}x{one.height}" for one in (image, mask))
        raise ValueError(f"'{name}' and its mask are of {sizes} pixels: give a mask of the same size")
    small = crop_square(mask).resize((resolution, resolution), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8)


def _take_its_size(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """A version's state says how many images there are, and of what size."""
    if "pixels" in state and isinstance(module, Images):
        module.pixels = torch.empty_like(state["pixels"])
        module.split = torch.empty_like(state["split"])
        module.masks = torch.empty_like(state["masks"]) if "masks" in state else None
        module.resolution = int(state["pixels"].shape[-1])


__all__ = ["Images"]
