"""The nested data dict, as a lazy view of a shard, an experiment, data.json or data.h5.

data["experiment"]["environment" | "agent"]                 the two specs
data["experiment_data"][setting_number]["agent_params"]     the setting's hyperparameters
data["experiment_data"][setting_number]["runs"][j]          one run, by (stage, run number)
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import h5py

from nthrun.errors import DataFileError
from nthrun.records.columns import ColumnsReader
from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.json_file import read_json
from nthrun.records.schema import Identity, Run
from nthrun.records.shard import Shard

OPEN_SHARDS_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that has not been loaded.

    Attributes:
        identity: which run.
        shard: id of the shard that recorded it.
        load: gives the run without the arrays under the top-level keys passed to it.
    """

    identity: Identity
    shard: str
    load: Callable[[Collection[str]], Run]


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
        self._runs = RunList(entries)

    def __getitem__(self, key: str) -> Any:
        if key == "runs":
            return self._runs
        if key == "agent_params":
            return self._runs[0]["agent_params"]
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
        unreadable: (path, what is wrong) of files that could not be read.
        gone: (shard id, index) of records that were replaced or forgotten.
        full: whether nothing was left out (data.json leaves out the large arrays).
    """

    def __init__(
        self,
        source: Path,
        experiment: Mapping[str, Any],
        entries: Sequence[Entry],
        unreadable: Sequence[tuple[Path, str]] = (),
        gone: Collection[tuple[str, int]] = (),
        full: bool = True,
    ) -> None:
        self.source = source
        self.entries = sorted(entries, key=lambda entry: (entry.identity, entry.shard))
        self.unreadable = tuple(unreadable)
        self.gone = gone
        self.full = full
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
    if path.suffix == ".json":
        return _open_json(path)
    if path.suffix != ".h5":
        raise DataFileError(f"{path}: unknown file type, allowed: .json, .h5")
    return _open_data_h5(path) if h5py.is_hdf5(path) and _is_combined(path) else _open_shard(path)


def open_directory(experiment: Experiment) -> Data:
    """The data of an experiment directory's shards."""
    inventory = experiment.inventory()
    shards = _ShardCache()
    num_settings = experiment.manifest.num_settings
    entries = []
    for (stage, index), found in inventory.entries.items():
        run_number, setting_number = divmod(index, num_settings)
        identity = Identity(setting_number, stage, run_number)
        good = [entry for entry in found if entry.status != "failed"] or found[:1]
        for entry in good:
            entries.append(Entry(identity, entry.shard, shards.loader(entry.path, index)))
    return Data(experiment.root, experiment.specs, entries, inventory.unreadable, inventory.gone)


class _ShardCache:
    """Shards kept open, the least recently used closed first."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, tuple[Shard, dict[int, int]]] = OrderedDict()
        self._num_bytes = 0

    def loader(self, path: Path, index: int) -> Callable[[Collection[str]], Run]:
        def load(omit: Collection[str]) -> Run:
            shard, positions = self._shard(path)
            return shard.columns.run(positions[index], omit)

        return load

    def _shard(self, path: Path) -> tuple[Shard, dict[int, int]]:
        if path not in self._open:
            shard = Shard(path)
            self._open[path] = (shard, shard.positions())
            self._num_bytes += shard.num_bytes
        self._open.move_to_end(path)
        while self._num_bytes > OPEN_SHARDS_BYTES and len(self._open) > 1:
            _, (closed, _) = self._open.popitem(last=False)
            self._num_bytes -= closed.num_bytes
        return self._open[path]


def _open_shard(path: Path) -> Data:
    shard = Shard(path)
    return _columns_data(path, shard.experiment, shard.columns)


def _open_data_h5(path: Path) -> Data:
    file = h5py.File(path, "r")
    return _columns_data(path, json.loads(file.attrs["experiment"]), ColumnsReader(file))


def _columns_data(path: Path, experiment: Mapping[str, Any], columns: ColumnsReader) -> Data:
    def loader(position: int) -> Callable[[Collection[str]], Run]:
        return lambda omit: columns.run(position, omit)

    entries = []
    for position, row in enumerate(columns.numbers):
        identity = Identity(*(int(row[name]) for name in Identity._fields))
        shard = json.loads(columns.text("provenance", position)).get("shard", "")
        entries.append(Entry(identity, shard, loader(position)))
    return Data(path, experiment, entries)


def _is_combined(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("kind") == "data")
    except OSError as error:
        raise DataFileError(f"{path}: damaged or cut short") from error


def _open_json(path: Path) -> Data:
    content = read_json(path)

    def loader(run: Run) -> Callable[[Collection[str]], Run]:
        return lambda omit: Run({key: value for key, value in run.items() if key not in omit})

    entries = [
        Entry(run.identity, run["provenance"].get("shard", ""), loader(run)) for run in content.runs
    ]
    return Data(path, content.experiment, entries, full=not content.omitted)
