"""One player as files: weights, a graph, a recipe and a card, for who has no home of it."""
