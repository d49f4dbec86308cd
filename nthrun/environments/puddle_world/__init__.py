"""Puddle world: walk across a square to a corner, around two puddles."""
