"""Agents: a contract, shared building blocks, and one folder each with its hyperparameters and algorithm."""
