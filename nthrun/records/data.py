"""The nested data dict, as a lazy view of a shard, an experiment, data.json or data.h5.

data["experiment"]["environment" | "agent"]                 the two specs
data["experiment_data"][setting_number]["agent_params"]     the setting's hyperparameters
data["experiment_data"][setting_number]["runs"][j]          one run, by (stage, run number)
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import h5py

from nthrun.errors import DataFileError
from nthrun.records.columns import ColumnsReader, read_json
from nthrun.records.entries import Entry as Entry
from nthrun.records.entries import in_order, without_repeats
from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.json_file import read_json_file
from nthrun.records.schema import OMITTED_FROM_JSON, SCHEMA_VERSION, Identity, Run
from nthrun.records.shard import OpenShards, RecordPlace, Shard, parse_replaced

CHUNK_CACHE_BYTES = 2**20


class RunList(Sequence[Run]):
    """The runs of one setting; each is read when it is asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Run]: ...
    def __getitem__(self, place: int | slice) -> Run | Sequence[Run]:
        if isinstance(place, slice):
            return RunList(self._entries[place])
        return self._entries[place].load(())


class SettingData(Mapping[str, Any]):
    """`agent_params` and `runs` of one setting."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __getitem__(self, key: str) -> Any:
        if key == "runs":
            return RunList(self._entries)
        if key == "agent_params":
            return self._entries[0].load(OMITTED_FROM_JSON)["agent_params"]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("agent_params", "runs"))

    def __len__(self) -> int:
        return 2


class Data(Mapping[str, Any]):
    """The data dict of an experiment.

    Attributes:
        source: the file or directory it was opened from.
        entries: every run, unread, sorted by identity.
        full: whether nothing was left out (data.json leaves out the large arrays).
        unreadable: (path, what is wrong) of files that could not be read.
        gone: records that were replaced or forgotten.
    """

    def __init__(
        self,
        source: Path,
        experiment: Mapping[str, Any],
        entries: Sequence[Entry],
        full: bool = True,
        unreadable: Sequence[tuple[Path, str]] = (),
        gone: frozenset[RecordPlace] = frozenset(),
    ) -> None:
        self.source = source
        self.entries = in_order(entries)
        self.full = full
        self.unreadable = tuple(unreadable)
        self.gone = gone
        self._experiment = experiment
        settings: dict[int, list[Entry]] = {}
        for entry in self.entries:
            settings.setdefault(entry.identity.setting_number, []).append(entry)
        self._settings = {number: SettingData(found) for number, found in settings.items()}

    def __getitem__(self, key: str) -> Any:
        if key == "experiment":
            return self._experiment
        if key == "experiment_data":
            return self._settings
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("experiment", "experiment_data"))

    def __len__(self) -> int:
        return 2


def open_data(path: str | Path) -> Data:
    """Open a shard, an experiment directory, data.json or data.h5.

    Raises:
        DataFileError: there is nothing readable at the path.
    """
    path = Path(path)
    if is_experiment(path):
        return open_directory(open_experiment(path))
    if not path.is_file():
        raise DataFileError(
            f"{path}: no data here", "give a shard, an experiment directory, data.json or data.h5"
        )
    if path.suffix == ".h5" and not (h5py.is_hdf5(path) and _is_combined(path)):
        shard = Shard(path)
        return _columns_data(path, shard.experiment, shard.columns)
    return open_combined(path)


def open_combined(path: Path) -> Data:
    """Open data.json or data.h5.

    Raises:
        DataFileError: it is another file, or damaged.
    """
    if path.suffix == ".json":
        return _open_json(path)
    if path.suffix != ".h5":
        raise DataFileError(f"{path}: unknown file type, allowed: .json, .h5")
    with _naming_damage(path):
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE_BYTES)
        if file.attrs["schema"] != SCHEMA_VERSION:
            raise DataFileError(f"{path}: schema {file.attrs['schema']}, not {SCHEMA_VERSION}")
        gone = parse_replaced(read_json(file, "gone"))
        return _columns_data(path, read_json(file, "experiment"), ColumnsReader(file), gone)


def open_directory(
    experiment: Experiment, gone: Collection[RecordPlace] = (), trust_cache: bool = True
) -> Data:
    """The data of an experiment directory's shards.

    Args:
        experiment: whose.
        gone: records that no longer count, besides those that the directory says.
        trust_cache: as `take_inventory`.
    """
    inventory = experiment.inventory(trust_cache)
    shards = OpenShards()

    def loader(path: Path, index: int) -> Callable[[Collection[str]], Run]:
        def load(omit: Collection[str]) -> Run:
            with _naming_damage(path):
                return shards.run(path, index, omit)

        return load

    entries = []
    for (stage, index), found in inventory.entries.items():
        run_number, setting_number = divmod(index, experiment.manifest.num_settings)
        identity = Identity(setting_number, stage, run_number)
        entries += [
            Entry(identity, shard, status, loader(path, index))
            for shard, path, status in found
            if (shard, index) not in gone
        ]
    kept, _ = without_repeats(entries)
    return Data(
        experiment.root,
        experiment.specs,
        kept,
        unreadable=inventory.unreadable,
        gone=inventory.gone,
    )


def _columns_data(
    path: Path,
    experiment: Mapping[str, Any],
    columns: ColumnsReader,
    gone: frozenset[RecordPlace] = frozenset(),
) -> Data:
    def loader(position: int) -> Callable[[Collection[str]], Run]:
        def load(omit: Collection[str]) -> Run:
            with _naming_damage(path):
                return columns.run(position, omit)

        return load

    entries = []
    for position, row in enumerate(columns.numbers):
        identity = Identity(*(int(row[name]) for name in Identity._fields))
        shard = json.loads(columns.text("provenance", position)).get("shard", "")
        status = columns.text("status", position)
        entries.append(Entry(identity, shard, status, loader(position)))
    return Data(path, experiment, entries, gone=gone)


def _is_combined(path: Path) -> bool:
    with _naming_damage(path), h5py.File(path, "r", locking=False) as file:
        return bool(file.attrs.get("kind") == "data")


@contextlib.contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Whatever a damaged HDF5 file without a checksum of its own makes its reader raise."""
    try:
        yield
    except DataFileError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, EOFError, zlib.error) as e:
        raise DataFileError(f"{path}: damaged or cut short") from e


def _open_json(path: Path) -> Data:
    content = read_json_file(path)

    def loader(run: Run) -> Callable[[Collection[str]], Run]:
        return lambda omit: Run({key: value for key, value in run.items() if key not in omit})

    entries = [
        Entry(run.identity, run["provenance"].get("shard", ""), run["status"], loader(run))
        for run in content.runs
    ]
    return Data(path, content.experiment, entries, full=not content.omitted, gone=content.gone)
