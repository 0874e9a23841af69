"""Replicates: any protocol with several seeds, and what spreads over them."""

from fakeoff.protocols.replicates.protocol import Replicates, repeat

__all__ = ["Replicates", "repeat"]
