"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"

# Compiled code of tests stays out of the user's own cache; processes that tests start share it.
os.environ.setdefault("NTHRUN_CACHE", str(COMPILED))
