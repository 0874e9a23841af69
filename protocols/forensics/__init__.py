"""The audit: whether reals and fakes could be told apart by format alone."""
