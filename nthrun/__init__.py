"""nthrun: research experiments by number.

One integer, the index, names one run: index -> (setting, seed) -> one training -> one record.
The packages below are layers; each imports only from those before it (see README, "Map").
"""

__version__ = "0.1.0"
