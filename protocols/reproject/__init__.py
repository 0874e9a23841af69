"""Reprojection: real photographs are projected into a generator, and detectors learn the fakes that come closest."""

from fakeoff.protocols.reproject.protocol import Reproject

__all__ = ["Reproject"]
