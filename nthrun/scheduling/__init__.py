"""Scheduling: what is missing as tasks, submitted to Slurm or run here, watched and recovered."""
