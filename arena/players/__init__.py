"""Players' recipes: what is known of them, how they are found, and what travels to workers."""
