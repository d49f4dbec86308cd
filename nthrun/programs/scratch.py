"""Scratch: the directory of one run of a program, which lasts until the run is recorded.

checkpoints/programs/<stage>-<index>/            the program's own
checkpoints/programs/<stage>-<index>/.nthrun/    ours: job.json, report-<attempt>.jsonl, saved,
                                                 learned, output, attempts.json, outcome.json
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.files.document import read_document
from nthrun.files.forms import Fields, Items, Number, Plain, Whole
from nthrun.records.durable_file import ensure_directory, open_in_place, storage_error
from nthrun.records.listing import is_own_folder, names_in

PROGRAMS = "programs"
"""The folder in checkpoints/ that holds the scratch directories."""
NAME = re.compile(r"([0-9]{1,18})-([0-9]{1,19})")
OWN = ".nthrun"
TRIES = 100
"""How often a directory is made that others remove."""
LOOKING_SECONDS = 0.2
"""What whoever looks whether a directory is held may hold it at most."""
ATTEMPTS = Items(Fields({"step": Whole(), "seconds": Number(0)}, others=Plain()))


@dataclass(frozen=True, slots=True)
class Scratch:
    """The scratch directory of one run.

    Attributes:
        path: the program's own, absolute.
    """

    path: Path

    @property
    def own(self) -> Path:
        """Where files of ours lie."""
        return self.path / OWN

    @property
    def output(self) -> Path:
        """The end of what the program printed."""
        return self.own / "output"

    def report(self, attempt: int) -> Path:
        """The file of an attempt's report lines."""
        return self.own / f"report-{attempt}.jsonl"

    def attempts(self) -> list[dict[str, Any]]:
        """What is known of earlier attempts, in order; none where that cannot be read."""
        try:
            found: list[dict[str, Any]] = read_document(
                self.own / "attempts.json", ATTEMPTS, "a list of attempts"
            )
        except DataFileError:
            return []
        return found

    def write_attempts(self, attempts: list[dict[str, Any]]) -> None:
        """Write down what is known of all attempts so far, unless the program has deleted or locked
        up what that is written to.

        Raises:
            StorageError: it cannot be written otherwise.
        """
        temporary = self.own / "attempts.writing"
        try:
            temporary.write_text(json.dumps(attempts))
            os.replace(temporary, self.own / "attempts.json")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        except OSError as error:
            raise storage_error(temporary, error) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the directory, which is made; gives False where another process holds it.

        Raises:
            StorageError: it cannot be made.
        """
        try:
            descriptor, is_ours = self._lock()
        except OSError as error:
            raise storage_error(self.path, error) from error
        try:
            yield is_ours
        finally:
            os.close(descriptor)

    def _lock(self) -> tuple[int, bool]:
        """Descriptor of the file that is locked, and whether this process has locked it.

        Where a run ends, its directory is removed, and the folder of all of them once it is empty:
        what another process makes or waits for in that moment has to be made again.

        Raises:
            OSError: it cannot be made.
        """
        problem: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        for _ in range(TRIES):
            try:
                ensure_directory(self.own)
                descriptor = open_in_place(self.own / "lock")
            except FileNotFoundError as error:
                problem = error
                continue
            is_ours = _locked(descriptor)
            if not is_ours:
                time.sleep(LOOKING_SECONDS)
                is_ours = _locked(descriptor)
            if os.fstat(descriptor).st_nlink:
                return descriptor, is_ours
            os.close(descriptor)
        raise problem

    def is_held(self) -> bool:
        """Whether a process holds the directory; nothing is created."""
        try:
            with open(self.own / "lock", "rb") as file:
                return not _locked(file.fileno(), fcntl.LOCK_SH)
        except OSError:
            return False

    def clear(self) -> None:
        """Delete all that earlier attempts left, but the directory itself and its lock."""
        for name in names_in(self.path) - {OWN}:
            _delete(self.path / name)
        for name in names_in(self.own) - {"lock"}:
            _delete(self.own / name)

    def remove(self) -> None:
        """Delete the directory, as far as that can be done."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()


def scratch_of(checkpoints: Path, stage: int, index: int) -> Scratch:
    """The scratch directory of a run of an experiment.

    Args:
        checkpoints: the experiment's folder of that name.
        stage, index: which run.
    """
    return Scratch(checkpoints.absolute() / PROGRAMS / f"{stage}-{index}")


def scratch_directories(checkpoints: Path) -> Iterator[tuple[Scratch, int, int]]:
    """Every scratch directory of an experiment, with stage and index.

    Raises:
        StorageError: they cannot be listed.
    """
    folder = checkpoints.absolute() / PROGRAMS
    for name in sorted(names_in(folder)):
        match = NAME.fullmatch(name)
        if match and is_own_folder(folder / name):
            yield Scratch(folder / name), int(match[1]), int(match[2])


def _locked(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock a file, unless another process has; whether this one has it now."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _delete(path: Path) -> None:
    if is_own_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
