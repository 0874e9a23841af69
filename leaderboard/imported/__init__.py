"""Scores that detectors gave elsewhere, on a home's exported images."""
