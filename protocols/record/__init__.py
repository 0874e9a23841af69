"""What a game leaves behind, who is ahead in it, and what experiments log."""
