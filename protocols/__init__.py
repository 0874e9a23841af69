"""The rules: what is played. Attack, defend, evaluate, and the tournament of them."""
