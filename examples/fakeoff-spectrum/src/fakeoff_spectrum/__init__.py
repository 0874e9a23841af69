"""A detector that reads the power spectrum, as a player in Fakeoff."""
