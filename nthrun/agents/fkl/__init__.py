"""Greedification by the forward or the reverse KL divergence to the Boltzmann policy."""
