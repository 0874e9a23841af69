"""Images: the one pipeline, pools and batches, sources of reals, and assets."""

from fakeoff.arena.images.pipeline import (
    LUMA,
    Colour,
    Masks,
    Pixels,
    as_seen,
    crop_square,
    generator_transform,
    grid,
    luminance,
    masks_to_arena,
    quantise,
    resized,
    save_png,
    to_arena,
    to_tensor,
)

__all__ = [
    "LUMA",
    "Colour",
    "Masks",
    "Pixels",
    "as_seen",
    "crop_square",
    "generator_transform",
    "grid",
    "luminance",
    "masks_to_arena",
    "quantise",
    "resized",
    "save_png",
    "to_arena",
    "to_tensor",
]
