"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"

LONG_PROOFS = Path(__file__).with_name("long_proofs.txt")

# Compiled code of tests stays out of the user's own cache; processes that tests start share it.
os.environ.setdefault("NTHRUN_CACHE", str(COMPILED))

# Two processes of tests share two cores: threads of a library's own would only wait for each other.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A law holds on a busy machine, too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what long_proofs.txt lists as slow; a line that names no test is an error, of a file
    that is collected whole, or that is not there."""
    lines = LONG_PROOFS.read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    found = [item for item in items if item.nodeid in listed]
    for item in found:
        item.add_marker(pytest.mark.slow)
    if not any("::" in argument for argument in config.args):
        files = {item.nodeid.partition("::")[0] for item in items}
        known = {item.nodeid for item in found}
        root = LONG_PROOFS.parents[1]
        lost = {
            line
            for line in listed - known
            if (file := line.partition("::")[0]) in files or not (root / file).exists()
        }
        if lost:
            raise pytest.UsageError(f"{LONG_PROOFS.name} names no test: {', '.join(sorted(lost))}")
