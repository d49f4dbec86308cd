"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"

# Compiled code of tests stays out of the user's own cache; processes that tests start share it.
os.environ.setdefault("NTHRUN_CACHE", str(COMPILED))

# Two processes of tests share two cores: threads of a library's own would only wait for each other.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A law holds on a busy machine, too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
