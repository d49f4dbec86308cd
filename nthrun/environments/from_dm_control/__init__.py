"""Any task of the DeepMind control suite."""
