"""Plugin pages: the list, a player's page, its check, and a new package."""
