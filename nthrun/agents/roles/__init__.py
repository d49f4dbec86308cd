"""What agents share that play every role of a game, with a network for each role."""
