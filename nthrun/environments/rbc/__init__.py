"""The real-business-cycle game of consumers, firms and a government."""
