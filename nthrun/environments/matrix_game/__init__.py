"""Matrix games: payoff tables of two roles or more, played once or several times."""
