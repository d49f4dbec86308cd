"""What records say: statistics, the choice of settings, figures."""
