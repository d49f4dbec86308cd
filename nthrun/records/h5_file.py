"""data.h5: every run whole, as the columns of one HDF5 file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py

from nthrun.records.columns import ColumnsWriter, write_json
from nthrun.records.data import Data
from nthrun.records.entries import Entry, part_of_entries
from nthrun.records.part import Part
from nthrun.records.schema import SCHEMA_VERSION
from nthrun.records.shard import format_replaced

PART_BYTES = 2**27
PART_GROWTH = 8


def write_h5(path: Path, data: Data, tell: Callable[[int], None]) -> None:
    """Write all runs, in the order of `data.entries`.

    Args:
        path: where; what lies there is overwritten.
        data: what.
        tell: called with how many more runs have been read.

    Raises:
        OSError: the file cannot be written.
        DataFileError: a run cannot be read.
    """
    with _LenientFile(path, "w+") as disk:
        with h5py.File(disk, "w", libver="latest") as file:
            file.attrs.update(kind="data", schema=SCHEMA_VERSION)
            write_json(file, "experiment", data["experiment"])
            write_json(file, "gone", format_replaced(data.gone))
            writer = ColumnsWriter(file, growing=True)
            for part in _parts(data.entries, tell):
                writer.append(part)
                if disk.error is not None:
                    break
            writer.close()
        if disk.error is not None:
            raise disk.error


def _parts(entries: Sequence[Entry], tell: Callable[[int], None]) -> Iterator[Part]:
    """All runs, as many at once as hold about `PART_BYTES` if they are as large as the last."""
    done, size = 0, 1
    while done < len(entries):
        part = part_of_entries(entries[done : done + size], tell)
        yield part
        done += len(part)
        fitting = PART_BYTES * len(part) // max(part.num_bytes, 1)
        size = max(1, min(fitting, PART_GROWTH * len(part)))


class _LenientFile(io.FileIO):
    """A file that keeps the first error of writing instead of raising it.

    HDF5 cannot be closed any more once a write has failed: it would complain on stderr for every
    object it had open, and hold the file until the process ends.
    """

    error: OSError | None = None

    def write(self, content: Any) -> int:
        left = memoryview(content)
        try:
            while self.error is None and left:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return len(content)
