"""Greedy actor-critic: the actor follows the best of a proposal's actions."""
