"""Clusters of a real Slurm, for the tests in this folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm.cluster import SlurmCluster
from slurm.configuration import Options
from slurm.installing import MissingSlurmError, ensure_installed

REQUIRE = "NTHRUN_REQUIRE_SLURM"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, which `make test` runs in one process, on one cluster."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slurm")


@pytest.fixture(scope="session")
def installed() -> None:
    """Slurm is here, or gets installed; else the tests are skipped, where none requires them."""
    required = os.environ.get(REQUIRE) == "1"
    try:
        ensure_installed(may_remove=required)
    except MissingSlurmError as error:
        if required:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def slurm(installed: None) -> Iterator[SlurmCluster]:
    """A cluster with accounting."""
    yield from _running(Options())


@pytest.fixture(scope="session")
def slurm_without_accounting(installed: None) -> Iterator[SlurmCluster]:
    """A cluster on which sacct has nothing to ask."""
    yield from _running(Options(accounting=False))


def _running(options: Options) -> Iterator[SlurmCluster]:
    directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    cluster = SlurmCluster(directory, options)
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(directory)
