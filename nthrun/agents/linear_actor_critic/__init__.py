"""Linear actor-critic with eligibility traces, for continuous and for discrete actions."""
