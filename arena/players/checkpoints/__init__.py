"""Checkpoints that people have, read as tensors: nothing in them is ever imported or called."""

from fakeoff.arena.players.checkpoints.checkpoint import FACTS, Checkpoint, Fact, check_file, flatten, read_checkpoint
from fakeoff.arena.players.checkpoints.conversion import convert
from fakeoff.arena.players.checkpoints.limits import NoTensors, Unreadable

__all__ = [
    "FACTS",
    "Checkpoint",
    "Fact",
    "NoTensors",
    "Unreadable",
    "check_file",
    "convert",
    "flatten",
    "read_checkpoint",
]
