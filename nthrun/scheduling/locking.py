"""A lock, so that of two submissions at once the second sees what the first has submitted.

A plan that runs here without Slurm holds it until it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from nthrun.errors import StorageError
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.scheduling.plan import PLANS


@contextlib.contextmanager
def scheduling_lock(root: Path) -> Iterator[None]:
    """Hold an experiment's lock; it ends with the process, whatever happens to it.

    Where the file system has no locks, there is none.

    Raises:
        StorageError: another submission holds it, or the directory cannot be written.
    """
    path = root / PLANS / ".lock"
    try:
        ensure_directory(path.parent)
        file = open(path, "w")  # noqa: SIM115 - closed below, which lets the lock go
    except OSError as error:
        raise storage_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"{root}: another schedule.py is submitting or running here", "wait for it to end"
            ) from None
        except OSError:
            pass
        yield
