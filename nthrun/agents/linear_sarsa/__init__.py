"""Sarsa(λ) and Expected Sarsa(λ) with linear action values."""
