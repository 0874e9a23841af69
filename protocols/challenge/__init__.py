"""Challenges: an entry of a tournament that was played, against stronger attacks than it met there."""

from fakeoff.protocols.challenge.protocol import Challenge

__all__ = ["Challenge"]
