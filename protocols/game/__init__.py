"""The game: the engine that runs jobs, and the bench on which every protocol is played."""
