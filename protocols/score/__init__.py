"""Figures: metrics, distances, patches and how they shifted."""
