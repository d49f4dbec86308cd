"""The Bewley model: unequal households that save against uninsured risk, in general equilibrium."""
