"""Generalisation: detectors that learned one generator's fakes, at those of generators that they never saw."""

from fakeoff.protocols.generalize.protocol import Generalize

__all__ = ["Generalize"]
