"""Sweep files of other tools, as what they have in common, and the specs that are made of it."""
