"""Facial manipulation: detectors that learned one way to forge a face, at the others (Table 3 and Fig. 7)."""

from fakeoff.protocols.manipulations.protocol import Manipulations

__all__ = ["Manipulations"]
