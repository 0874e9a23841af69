"""Figures: metrics, what blind scores are worth, distances, patches and how they shifted."""
