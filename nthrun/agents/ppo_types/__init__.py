"""Proximal policy optimisation with a network for each role of a game."""
