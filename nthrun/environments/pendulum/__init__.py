"""Pendulums: swing one up and keep it there, with three kinds of reward."""
