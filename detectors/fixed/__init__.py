"""Somebody's own finished detector, as a file: it judges and does not learn."""
