"""Krusell and Smith: households with uninsured risk in an economy whose productivity moves."""
