"""Monte Carlo policy gradients over simulated episodes."""
