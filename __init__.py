"""Fakeoff: an arena where fake-image generators and detectors play attack-defend rounds."""

__version__ = "0.4.0"
