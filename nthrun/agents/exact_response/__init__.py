"""Exact best responses to uniform play in small games."""
