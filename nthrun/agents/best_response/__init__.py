"""Approximate best responses to what other runs have learned in a game."""
