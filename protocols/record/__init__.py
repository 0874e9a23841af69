"""Versions of players and what they lost by failing; what experiments log."""
