"""Challenges: an entry of a tournament that was played, against stronger attacks; and a newcomer against all of it."""

from fakeoff.protocols.challenge.newcomer import Newcomer
from fakeoff.protocols.challenge.protocol import Challenge

__all__ = ["Challenge", "Newcomer"]
