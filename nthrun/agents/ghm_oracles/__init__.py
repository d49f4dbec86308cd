"""Policies of the firm of GHM that know its equations: two thresholds, and the optimum."""
