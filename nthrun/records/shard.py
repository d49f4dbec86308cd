"""Shards: one file with the records of one pack, readable without any other file.

The header tells what is recorded without opening HDF5:
    kind "shard" | "forget", schema, shard (its own id), fingerprint, stage,
    indices {status: "0-7,9"}, replaces [[shard id, "3-5"], ...]
A `forget` file is a header alone: its `replaces` are tombstones.
"""

from __future__ import annotations

import io
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nthrun.errors import DataFileError, IndexSpecError
from nthrun.files.document import require_form
from nthrun.files.forms import Fields, Items, Row, Table, Text, Unchecked, Whole
from nthrun.index import MAX_STAGE, count_of, format_indices, parse_ranges, split_index
from nthrun.records.columns import ColumnsReader, ColumnsWriter, write_json
from nthrun.records.durable_file import nothing, read_header, verified_header, write_checksummed
from nthrun.records.hdf5_file import open_hdf5, read_json
from nthrun.records.places import Places, Replaced, parse_places
from nthrun.records.schema import SCHEMA_VERSION, SPECS, STATUSES, Run, require_schema

SHARD_SUFFIX = ".h5"
FORGET_SUFFIX = ".forget"
OPEN_SHARDS = 128
SHARD_ID = Text(pattern=r"[\w.-]{1,128}", words="an id")
HEADER = Fields(
    {
        "kind": Text(("shard", "forget")),
        "schema": Whole(SCHEMA_VERSION, SCHEMA_VERSION),
        "shard": SHARD_ID,
        "fingerprint": Text(),
        "stage": Whole(0, MAX_STAGE),
        "indices": Table(Text(), Text(STATUSES)),
        "replaces": Items(Row((SHARD_ID, Text()))),
    },
    others=Unchecked(),
)
"""Of a file in runs/."""


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a file in runs/ says of itself.

    Attributes:
        shard: its id, unique within the experiment.
        fingerprint: of the experiment it belongs to.
        stage: of all its records.
        indices: status -> indices, as text; empty for a tombstone.
        replaces: records of other shards that no longer count.
    """

    shard: str
    fingerprint: str
    stage: int
    indices: Mapping[str, str] = field(default_factory=dict)
    replaces: Replaced = ()

    def as_json(self) -> dict[str, Any]:
        """The header as JSON data."""
        return {
            "kind": "shard" if self.indices else "forget",
            "schema": SCHEMA_VERSION,
            "shard": self.shard,
            "fingerprint": self.fingerprint,
            "stage": self.stage,
            "indices": dict(self.indices),
            "replaces": [list(pair) for pair in self.replaces],
        }


def parse_header(path: Path, header: Mapping[str, Any]) -> ShardHeader:
    """The header of a checksummed file as a shard's.

    Raises:
        DataFileError: the file is of another kind or of a newer schema.
    """
    if header.get("kind") not in ("shard", "forget"):
        raise DataFileError(f"{path}: a file of kind {header.get('kind')!r}, not a shard")
    require_schema(path, header.get("schema"))
    require_form(path, header, HEADER, "a shard")
    replaces = tuple((shard, text) for shard, text in header["replaces"])
    return ShardHeader(
        header["shard"], header["fingerprint"], header["stage"], header["indices"], replaces
    )


def replaced_places(path: Path, header: ShardHeader) -> Places:
    """The records that a file ends.

    Raises:
        DataFileError: a text in its header names no indices.
    """
    try:
        return parse_places(header.replaces)
    except IndexSpecError as error:
        raise DataFileError(f"{path}: replaces: {error.message}") from error


def header_indices(path: Path, header: ShardHeader, size: int) -> list[tuple[int, str]]:
    """(index, status) of every record of a shard.

    Args:
        path: of the shard.
        header: of it.
        size: of the file in bytes. A record takes more than one, so that a header which names more
            indices is damaged, whatever they are.

    Raises:
        DataFileError: the header cannot be right.
    """
    try:
        ranges = {status: parse_ranges(text) for status, text in header.indices.items()}
    except IndexSpecError as error:
        raise DataFileError(f"{path}: indices: {error.message}") from error
    total = sum(map(count_of, ranges.values()))
    if total > size:
        raise DataFileError(f"{path}: indices: names {total:,} records, in {size:,} bytes")
    return [
        (index, status)
        for status, of_status in ranges.items()
        for first, last in of_status
        for index in range(first, last + 1)
    ]


def new_shard_id() -> str:
    """A name no other shard has."""
    return secrets.token_hex(6)


def write_shard(
    directory: Path,
    header: ShardHeader,
    experiment: Mapping[str, Any],
    runs: Sequence[Run],
    before_naming: Callable[[], None] = nothing,
) -> Path:
    """Write one shard durably.

    Args:
        directory: the experiment's runs/.
        header: its id, fingerprint, stage and what it replaces; indices are filled in here.
        experiment: {"environment": ..., "agent": ...}, the two specs whole.
        runs: the records, all of the header's stage.
        before_naming: see `write_checksummed`.
    """
    indices: dict[str, str] = {
        status: format_indices(run["index"] for run in runs if run["status"] == status)
        for status in STATUSES
    }
    indices = {status: text for status, text in indices.items() if text}
    header = ShardHeader(header.shard, header.fingerprint, header.stage, indices, header.replaces)
    first, last = (f(run["index"] for run in runs) for f in (min, max))
    name = f"stage{header.stage}-{first}-{last}-{header.shard}{SHARD_SUFFIX}"

    def payload(user_block: int) -> memoryview:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=user_block, libver="latest") as file:
            write_json(file, "experiment", experiment)
            writer = ColumnsWriter(file)
            writer.write(runs)
            writer.close()
        return buffer.getbuffer()[user_block:]

    write_checksummed(directory / name, header.as_json(), payload, before_naming)
    return directory / name


def write_forget(directory: Path, header: ShardHeader) -> None:
    """Write a tombstone for the records the header replaces."""
    write_checksummed(directory / f"{header.shard}{FORGET_SUFFIX}", header.as_json(), lambda _: b"")


class Shard:
    """An opened shard.

    Args:
        path: the file.
        verified: whether its checksum has been verified before.

    Raises:
        DataFileError: it is not a shard, or damaged.
    """

    def __init__(self, path: Path, verified: bool = False) -> None:
        self.path = path
        self.header = parse_header(path, (read_header if verified else verified_header)(path))
        self._file = open_hdf5(path)
        self.columns = ColumnsReader(self._file)
        size = path.stat().st_size
        numbers = self.columns.numbers
        held = zip(numbers["index"].tolist(), self.statuses(), strict=True)
        stated = header_indices(path, self.header, size)
        if sorted(stated) != sorted(held) or (numbers["stage"] != self.header.stage).any():
            raise DataFileError(f"{path}: its records are not those that its header names")

    @property
    def experiment(self) -> dict[str, Any]:
        """{"environment": ..., "agent": ...}, the two specs whole."""
        experiment: dict[str, Any] = read_json(self._file, "experiment", SPECS)
        return experiment

    def statuses(self) -> list[str]:
        """How each run ended, record by record."""
        return self.columns.texts("status", np.arange(len(self.columns)))

    def positions(self) -> dict[int, int]:
        """Index -> position of its record within the shard."""
        return {int(index): n for n, index in enumerate(self.columns.numbers["index"])}


class OpenShards:
    """Shards kept open, the least recently used closed first; each is verified once.

    Args:
        num_settings: of their experiment, by which a record's index says its setting and run
            number; 0 where it is not known.
    """

    def __init__(self, num_settings: int = 0) -> None:
        self._num_settings = num_settings
        self._open: OrderedDict[Path, tuple[Shard, dict[int, int]]] = OrderedDict()
        self._verified: set[Path] = set()

    def rows(self, path: Path, indices: Sequence[int]) -> tuple[ColumnsReader, np.ndarray]:
        """The columns of a shard, and the positions of some indices."""
        shard, positions = self._opened(path)
        return shard.columns, np.array([positions[index] for index in indices], np.int64)

    def run(self, path: Path, index: int, omit: Collection[str]) -> Run:
        """One run of a shard; arrays under the top-level keys in `omit` are left out."""
        shard, positions = self._opened(path)
        return shard.columns.run(positions[index], omit)

    def _opened(self, path: Path) -> tuple[Shard, dict[int, int]]:
        if path not in self._open:
            shard = Shard(path, verified=path in self._verified)
            if path not in self._verified and self._num_settings:
                require_settings(path, shard.columns.numbers, self._num_settings)
            self._verified.add(path)
            self._open[path] = (shard, shard.positions())
        self._open.move_to_end(path)
        if len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)  # closes with its last reference
        return self._open[path]


def require_settings(path: Path, numbers: np.ndarray, num_settings: int) -> None:
    """Check that the records of a file are of the runs that their indices name.

    Args:
        path: of the file.
        numbers: of its records.
        num_settings: of the experiment.

    Raises:
        DataFileError: the number of settings is another one, in the manifest or when it was made.
    """
    runs, settings = np.divmod(numbers["index"], num_settings)
    wrong = (settings != numbers["setting_number"]) | (runs != numbers["run_number"])
    if wrong.any():
        row = numbers[wrong.argmax()]
        expected = split_index(int(row["index"]), num_settings)
        raise DataFileError(
            f"{path}: index {row['index']} is setting {row['setting_number']}, run "
            f"{row['run_number']}; by the manifest's num_settings, {num_settings}, it is setting "
            f"{expected[0]}, run {expected[1]}",
            "one of the two was changed; restore it",
        )
