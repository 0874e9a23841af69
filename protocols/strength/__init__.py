"""Strength: how much attack a detector stands, and what that costs the images."""

from fakeoff.protocols.strength.protocol import Strength

__all__ = ["Strength"]
