"""A home in one file: packed, and unpacked elsewhere."""
