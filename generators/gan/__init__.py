"""What generative adversarial networks have in common: losses, augmentation, the frame of a step, and growing."""
