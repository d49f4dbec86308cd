"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"

# Compiled code of tests stays out of the user's own cache; processes that tests start share it.
os.environ.setdefault("NTHRUN_CACHE", str(COMPILED))

# A law holds on a busy machine, too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
