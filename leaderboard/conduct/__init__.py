"""How a game is conducted, whatever is played."""
