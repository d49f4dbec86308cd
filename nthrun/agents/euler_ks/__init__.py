"""A network's rule that finds an equilibrium with aggregate risk by its Euler equation."""
