"""Fakeoff's own contract."""

from fakeoff.detectors.contract import DetectorContract


class TestSpectrum(DetectorContract):
    player = "spectrum"
