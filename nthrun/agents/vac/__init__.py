"""Vanilla actor-critic: the likelihood-ratio policy gradient with action values."""
