"""Cached documents: JSON that is computed once and kept in the user's own cache folder.

A file is trusted that this user wrote, that nobody else may write and whose checksum is right;
anything else is as if it were not there. What cannot be kept is not, without a word: it is computed
anew each time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError, StorageError
from nthrun.files.cache_folder import cache_folders, is_own_file
from nthrun.records.durable_file import read_checksummed, write_checksummed

SUFFIX = ".kept"
PURPOSE = "what was computed before"


def cached_document(name: str) -> dict[str, Any]:
    """A document by name; empty if it is not there."""
    with _path(name) as path:
        return {} if path is None else read_cached(path)


def keep_document(name: str, document: Mapping[str, Any]) -> None:
    """Keep a document under a name, in place of one that is there."""
    with _path(name) as path:
        if path is not None:
            write_cached(path, document)


def read_cached(path: Path) -> dict[str, Any]:
    """A document that lies in a cache folder; empty if it is not there, or not to be trusted."""
    with contextlib.suppress(DataFileError, OSError):
        if is_own_file(path):
            return read_checksummed(path)[0]
    return {}


def write_cached(path: Path, document: Mapping[str, Any]) -> None:
    """Put a document into a cache folder, if that takes it."""
    with contextlib.suppress(StorageError):
        write_checksummed(path, document, lambda block: b"")


@contextlib.contextmanager
def _path(name: str) -> Any:
    with cache_folders(PURPOSE) as folders:
        folder = next(folders, None)
        yield None if folder is None else folder / f"{name}{SUFFIX}"
