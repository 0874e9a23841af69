"""What the words of the command line do, in groups; ``cli.py`` puts them together."""
