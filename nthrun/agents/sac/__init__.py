"""Soft actor-critic with a squashed Gaussian policy."""
