"""An actor and a critic that find an equilibrium by the Bellman equation."""
