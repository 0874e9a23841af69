"""A user's own pictures, any number of them, before the detectors of a tournament: streamed, scored, held to labels."""
