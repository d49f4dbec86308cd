"""ε-greedy control by action values, with several ways to find the best action."""
