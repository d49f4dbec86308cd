"""Agents: a contract, shared parts, and one folder each with hyperparameters and algorithm."""
