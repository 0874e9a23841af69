"""What came of a game, in words: who broke whom, who is ahead, what warns of it, and what nobody knows."""
