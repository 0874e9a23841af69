"""The ground of the game: images, registry, seeds, jobs, store, executors. Nothing here knows a player by name."""
