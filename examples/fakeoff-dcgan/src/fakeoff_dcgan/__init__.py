"""A pretrained DCGAN of faces, as a player in Fakeoff."""
