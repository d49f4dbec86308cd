"""Uniform actions: the baseline that learns nothing."""
