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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nthrun.errors import DataFileError
from nthrun.index import format_indices, parse_indices
from nthrun.records.columns import ColumnsReader, ColumnsWriter, read_json, write_json
from nthrun.records.durable_file import nothing, read_checksummed, read_header, write_checksummed
from nthrun.records.schema import SCHEMA_VERSION, STATUSES, Run

SHARD_SUFFIX = ".h5"
FORGET_SUFFIX = ".forget"
OPEN_SHARDS = 128

Replaced = tuple[tuple[str, str], ...]
"""((shard id, indices text), ...): records that stop counting once this file exists."""

RecordPlace = tuple[str, int]
"""(shard id, index) of one record."""


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
    if header["schema"] != SCHEMA_VERSION:
        raise DataFileError(
            f"{path}: schema {header['schema']}, this nthrun reads {SCHEMA_VERSION}",
            "use the nthrun version that wrote it, or a newer one",
        )
    replaces = tuple((shard, text) for shard, text in header["replaces"])
    return ShardHeader(
        header["shard"], header["fingerprint"], header["stage"], header["indices"], replaces
    )


def format_replaced(places: Iterable[RecordPlace]) -> Replaced:
    """Records as a header lists them."""
    by_shard: dict[str, list[int]] = {}
    for shard, index in places:
        by_shard.setdefault(shard, []).append(index)
    return tuple((shard, format_indices(by_shard[shard])) for shard in sorted(by_shard))


def parse_replaced(replaced: Iterable[Sequence[str]]) -> frozenset[RecordPlace]:
    """The records that `format_replaced` listed."""
    return frozenset((shard, index) for shard, text in replaced for index in parse_indices(text))


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
        header = read_header(path) if verified else read_checksummed(path)[0]
        self.header = parse_header(path, header)
        try:
            self._file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
            self.columns = ColumnsReader(self._file)
        except (OSError, KeyError) as error:
            raise DataFileError(f"{path}: a file that holds no records") from error

    @property
    def experiment(self) -> dict[str, Any]:
        """{"environment": ..., "agent": ...}, the two specs whole."""
        experiment: dict[str, Any] = read_json(self._file, "experiment")
        return experiment

    def positions(self) -> dict[int, int]:
        """Index -> position of its record within the shard."""
        return {int(index): n for n, index in enumerate(self.columns.numbers["index"])}


class OpenShards:
    """Shards kept open, the least recently used closed first; each is verified once."""

    def __init__(self) -> None:
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
            self._verified.add(path)
            self._open[path] = (shard, shard.positions())
        self._open.move_to_end(path)
        if len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)  # closes with its last reference
        return self._open[path]


def header_indices(header: ShardHeader) -> list[tuple[int, str]]:
    """(index, status) of every record of a shard."""
    return [
        (index, status) for status, text in header.indices.items() for index in parse_indices(text)
    ]
