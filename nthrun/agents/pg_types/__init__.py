"""Policy gradients with a network for each role of a game."""
