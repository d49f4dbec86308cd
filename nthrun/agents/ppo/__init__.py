"""Proximal policy optimisation, for continuous and for discrete actions."""
