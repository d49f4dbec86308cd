"""The exact solution of the Bewley economy as a policy."""
