"""Listing: what is in a directory, where nothing found is to mean that nothing is there.

A directory that cannot be listed, for want of a permission or because a file server does not
answer, is not empty: what is recorded in it would be run again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nthrun.errors import DataFileError, StorageError

FOLDERS = (
    *("runs", "checkpoints", "snapshots", "artifacts", "plans", "search", "code"),
    "distributions",
    *("logs", "logs/tensorboard", "logs/wandb"),
)
"""The folders of an experiment that commands write to."""


def names_in(directory: Path) -> frozenset[str]:
    """The names of what is in a directory; none where there is no such directory.

    Raises:
        StorageError: it cannot be listed.
    """
    try:
        return frozenset(os.listdir(directory))
    except FileNotFoundError:
        return frozenset()
    except NotADirectoryError as error:
        if not is_there(directory):  # it lies below a file
            return frozenset()
        raise _unknown(directory, "listed", error) from error
    except OSError as error:
        raise _unknown(directory, "listed", error) from error


def paths_in(directory: Path, prefix: str = "", suffix: str = "") -> Iterator[Path]:
    """What is in a directory with a name that begins and ends so, in order of the names.

    Raises:
        StorageError: it cannot be listed.
    """
    for name in sorted(names_in(directory)):
        if name.startswith(prefix) and name.endswith(suffix):
            yield directory / name


def is_there(path: Path) -> bool:
    """Whether there is something under a name.

    Raises:
        StorageError: that cannot be told.
    """
    return _status(path) is not None


def is_file(path: Path) -> bool:
    """Whether there is a regular file, or a link to one.

    Raises:
        StorageError: that cannot be told.
    """
    status = _status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_own_folder(path: Path) -> bool:
    """Whether there is a directory, and not a link to one.

    Raises:
        StorageError: that cannot be told.
    """
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode) and not path.is_symlink()


def require_inside(root: Path) -> None:
    """Check that an experiment's folders are not links out of it, before anything is written.

    Raises:
        DataFileError: one is.
    """
    for path in (root / name for name in FOLDERS):
        inside = os.path.realpath(root)
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
            raise DataFileError(
                f"{path}: a link out of the experiment, through which nothing is written",
                "put the folder itself there, or link to the experiment's directory as a whole",
            )


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unknown(path, "looked at", error) from error


def _unknown(path: Path, verb: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: cannot be {verb}: {error.strerror or error}",
        "what is there cannot be told without it; check the disk and its permissions",
    )
