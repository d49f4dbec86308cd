"""Figures. Only this package draws, and without pyplot: no global state, window or backend is
touched."""
