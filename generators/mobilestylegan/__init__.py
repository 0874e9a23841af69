"""MobileStyleGAN: its networks, its player, and the published weights in its place."""
