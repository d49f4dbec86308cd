"""A report: one HTML file about one or several experiments, which needs nothing else."""
