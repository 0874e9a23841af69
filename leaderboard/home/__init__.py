"""The files of a home."""
