"""Solvers of the Bewley economy that make the Euler equation hold, for a network's rules."""
