"""Seeds come from what a thing *is*, never from the order it ran in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch


def canonical_json(value: Any) -> str:
    """Returns the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Returns the sha256 (64 hex digits) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def seed_from(*parts: Any) -> int:
    """Derives a 63-bit seed from JSON-able parts."""
    return int(digest(list(parts))[:16], 16) >> 1


def rng_from(*parts: Any) -> torch.Generator:
    """Derives a CPU random generator from JSON-able parts."""
    return torch.Generator().manual_seed(seed_from(*parts))
