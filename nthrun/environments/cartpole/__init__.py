"""Cart-poles: keep a pole upright by pushing the cart below it."""
