"""Plays a tournament again from what is on record of it, and says cell by cell whether it holds."""
