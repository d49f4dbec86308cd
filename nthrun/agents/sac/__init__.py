"""Soft actor-critic, for continuous and for discrete actions."""
