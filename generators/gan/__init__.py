"""What generative adversarial networks have in common: losses and augmentation."""
