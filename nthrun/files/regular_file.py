"""Regular files: the one place that opens a file for reading which others may have put there.

A FIFO would hang its reader, a device act on it, and a file that never ends fill the memory. So
what is opened is a regular file or an error, at once, and what is read whole has a largest size.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from nthrun.errors import DataFileError, NthrunError, StorageError

LARGEST_DOCUMENT_BYTES = 2**26
"""Of a document that is read whole, where nothing else is said."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Of a path that leads to no file."""
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
UNKNOWN = "what it holds cannot be told without it; check the disk and its permissions"
LOCKS = "where the file system has no locks, leave $HDF5_USE_FILE_LOCKING unset"
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading, or a link to one.

    Raises:
        DataFileError: it is something else.
        OSError: it is not there, or cannot be opened.
    """
    require_regular(path, os.stat(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        require_regular(path, os.fstat(descriptor))  # it may be another one by now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, largest_bytes: int = LARGEST_DOCUMENT_BYTES) -> bytes:
    """All bytes of a regular file.

    Args:
        path: of the file.
        largest_bytes: a larger one is refused.

    Raises:
        DataFileError: it is no regular file, or too large.
        OSError: it is not there, or cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest_bytes:
            raise DataFileError(f"{path}: holds {size:,} bytes, allowed: {largest_bytes:,}")
        return file.read(size)


def cannot_read(path: str | Path, error: OSError, reason: str = "") -> NthrunError:
    """The error of a file that could not be read: where there is none of the name, the file's own;
    else the system's, whose failure says nothing of what the file holds.

    Args:
        path: of the file.
        error: the system's.
        reason: in words; "" is the system's own.
    """
    problem = f"{path}: cannot be read: {reason or error.strerror or error}"
    if error.errno in ABSENT:
        return DataFileError(problem)
    return StorageError(problem, LOCKS if error.errno in NO_LOCKS else UNKNOWN)


def require_regular(path: str | Path, status: os.stat_result) -> None:
    """Check what a path leads to.

    Raises:
        DataFileError: it is no regular file.
    """
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no file of bytes")
        raise DataFileError(f"{path}: {kind}, allowed: a regular file")
