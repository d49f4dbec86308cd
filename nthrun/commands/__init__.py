"""The commands behind the entry points and `python -m nthrun`."""
