"""Gridworlds: walk from one corner of a grid to the opposite one."""
