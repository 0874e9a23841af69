"""From patches to an image: the decision of Eq. 2, and two others that could stand in its place.

Chai et al., "What makes fake images detectable?", ECCV 2020, section 3.1: the mean of the patches' softmax. What could
be pooled instead are their logits, or their votes.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from torch import Tensor

from fakeoff.arena.players.specs import AddedLater

Decision: TypeAlias = Literal["after_softmax", "before_softmax", "vote"]
"""What an image's score is: the mean of its patches' P(fake); P(fake) at the mean of their logits, which lets a patch
that is very sure count for more; or the share of the patches that are more likely fake than real."""

DecisionParameter: TypeAlias = Annotated[Decision, AddedLater()]
"""A detector's parameter; at ``after_softmax`` its recipe is what it was before there was a choice."""

_LEAST = 2.0**-24  # 1 less this is the largest float32 below 1


def decide(patches: Tensor, decision: Decision) -> Tensor:
    """Makes an image's score of those of its patches.

    Logits are worked out from P(fake), so that any patch detector's can be. In float32 the largest below 1 is
    ``1 - 2**-24``, a logit of 16.6; towards 0 it goes on to logits of -103. Both sides are cut at 16.6, or a patch that
    is certain of a real would count for six that are certain of a fake.

    Args:
        patches: float ``(n, h', w')``: P(fake) of each patch.
        decision: How.

    Returns:
        ``(n,)``, of the same type: P(fake) in [0, 1].
    """
    match decision:
        case "after_softmax":
            return patches.mean((1, 2))
        case "before_softmax":
            return patches.clamp(_LEAST, 1 - _LEAST).logit().mean((1, 2)).sigmoid()
        case "vote":
            return (patches > 0.5).to(patches.dtype).mean((1, 2))


__all__ = ["Decision", "DecisionParameter", "decide"]
