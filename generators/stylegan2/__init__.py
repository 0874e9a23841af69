"""StyleGAN2: its networks, its player, and the weights of others in its place."""
