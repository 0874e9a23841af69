"""StyleGAN: its layers, its networks and its player."""
