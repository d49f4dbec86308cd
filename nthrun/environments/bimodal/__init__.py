"""Bimodal bandits: one action, whose reward has two peaks."""
