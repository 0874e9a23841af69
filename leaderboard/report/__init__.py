"""One page about a game, for whoever was not there: a single HTML file that needs nothing else."""
