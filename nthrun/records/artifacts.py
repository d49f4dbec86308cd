"""Artifacts: files that a run keeps, in `artifacts/<stage>-<index>/` of its experiment.

The record has the size and the SHA-256 of each, under `artifacts` of its provenance.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from nthrun.errors import DataFileError, StorageError
from nthrun.files.regular_file import cannot_read, open_regular
from nthrun.records.durable_file import ensure_directory, storage_error, sync_directory
from nthrun.records.listing import is_own_folder, names_in
from nthrun.records.writer import temporary_path

ARTIFACTS = "artifacts"
"""The folder of an experiment, and the key of provenance."""
NAME = re.compile(r"([0-9]{1,18})-([0-9]{1,19})")
CHUNK_BYTES = 2**20


def artifact_directory(root: Path, stage: int, index: int) -> Path:
    """Where the files of a run lie.

    Args:
        root: the experiment's directory.
        stage, index: which run.
    """
    return root / ARTIFACTS / f"{stage}-{index}"


@dataclass(frozen=True, slots=True)
class Staged:
    """Copies of files that a run keeps, not yet under the name of the run.

    Attributes:
        folder: where they lie.
        target: where they are to lie.
        known: name -> size and SHA-256, as the record has them.
    """

    folder: Path
    target: Path
    known: Mapping[str, Mapping[str, Any]]

    def publish(self) -> None:
        """Give them the name of the run, whose earlier files they replace.

        Raises:
            StorageError: that could not be done.
        """
        earlier = temporary_path(self.target)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.target, earlier)
            os.rename(self.folder, self.target)
            sync_directory(self.target.parent)
        except OSError as error:
            raise storage_error(self.target, error) from error
        shutil.rmtree(earlier, ignore_errors=True)

    def discard(self) -> None:
        """Delete the copies, where they were not published."""
        shutil.rmtree(self.folder, ignore_errors=True)


def stage_artifacts(root: Path, stage: int, index: int, files: Iterable[Path]) -> Staged:
    """Copy files that a run is to keep, durably.

    Raises:
        DataFileError: one of them is no regular file, or two have one name.
        StorageError: a copy could not be written.
    """
    target = artifact_directory(root, stage, index)
    folder = temporary_path(target)
    known: dict[str, dict[str, Any]] = {}
    try:
        ensure_directory(folder)
        for file in files:
            if file.name in known:
                raise DataFileError(f"artifact: two files are named {file.name}")
            known[file.name] = _copied(file, folder / file.name)
        sync_directory(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise error if isinstance(error, StorageError) else storage_error(folder, error) from error
    except DataFileError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Staged(folder, target, known)


def remove_artifacts(root: Path, stage: int, indices: Iterable[int]) -> None:
    """Delete the files of some runs."""
    for index in indices:
        directory = artifact_directory(root, stage, index)
        if is_own_folder(directory):
            shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        (root / ARTIFACTS).rmdir()


def artifact_directories(root: Path) -> Iterator[tuple[Path, tuple[int, int] | None]]:
    """What is in the folder of artifacts, with stage and index; None for what is no run's.

    Raises:
        StorageError: it cannot be listed.
    """
    folder = root / ARTIFACTS
    for name in sorted(names_in(folder)):
        match = NAME.fullmatch(name)
        is_run = match is not None and is_own_folder(folder / name)
        yield folder / name, (int(match[1]), int(match[2])) if match and is_run else None


def require_artifacts(directory: Path, known: Mapping[str, Any]) -> None:
    """Check the files of a run against what its record knows of them.

    Raises:
        DataFileError: one is missing, is not known, or is not as it was.
        StorageError: one cannot be read.
    """
    names = names_in(directory)
    if names != known.keys():
        name = min(names ^ known.keys())
        what = "no artifact of the record" if name in names else "missing"
        raise DataFileError(f"{directory / name}: {what}")
    for name, facts in known.items():
        with _opened(directory / name) as file:
            digest = _digest(file)
        if digest != (facts.get("sha256") if isinstance(facts, Mapping) else None):
            raise DataFileError(f"{directory / name}: not what the run kept, by its hash")


def _copied(file: Path, target: Path) -> dict[str, Any]:
    """Copy a file; returns size and SHA-256 of the copy."""
    with _opened(file) as source, open(target, "xb") as copy:
        digest = _digest(source, copy)
        copy.flush()
        os.fsync(copy.fileno())
        return {"bytes": copy.tell(), "sha256": digest}


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading.

    Raises:
        DataFileError: it cannot be.
    """
    try:
        opened = open_regular(file)
    except OSError as error:
        raise cannot_read(file, error) from error
    with opened:
        yield opened


def _digest(source: BinaryIO, copy: BinaryIO | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return digest.hexdigest()
