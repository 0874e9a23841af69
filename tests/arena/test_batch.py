"""Images with what is known of each."""

from __future__ import annotations

import torch

from fakeoff.arena.images.batch import Batch, join


def test_batches_are_joined_with_what_is_known_of_all_of_them() -> None:
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    one = Batch(images=images[:2], person=torch.tensor([3, 4]), mask=torch.ones(2, 1, 4, 4))
    other = Batch(images=images[2:], person=torch.tensor([5, 6, 7]))
    joined = join([one, other])
    assert torch.equal(joined.images, images)
    assert joined.images.is_contiguous(memory_format=torch.channels_last)
    assert joined.person is not None
    assert joined.person.tolist() == [3, 4, 5, 6, 7]
    assert joined.mask is None
    both = join([one, one]).mask
    assert both is not None
    assert both.shape == (4, 1, 4, 4)
