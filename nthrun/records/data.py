"""The nested data dict, as a lazy view of a shard, an experiment, data.json or data.h5.

data["experiment"]["environment" | "agent"]                 the two specs
data["experiment_data"][setting_number]["agent_params"]     the setting's hyperparameters
data["experiment_data"][setting_number]["runs"][j]          one run, by (stage, run number)

`nthrun.records.tables` gives the same runs one row each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, overload

import numpy as np

from nthrun.errors import DamagedFileError, DataFileError, IndexSpecError
from nthrun.files.forms import Items, Row, Text
from nthrun.index import split_index
from nthrun.records.columns import ColumnsReader
from nthrun.records.durable_file import is_checksummed
from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.hdf5_file import naming_damage, open_hdf5, read_json
from nthrun.records.json_file import read_json_file
from nthrun.records.listing import is_file
from nthrun.records.places import NO_PLACES, Places, parse_places
from nthrun.records.record_table import Ragged as Ragged
from nthrun.records.record_table import RecordTable
from nthrun.records.schema import OMITTED_FROM_JSON, SPECS, Identity, Run, require_schema
from nthrun.records.shard import SHARD_ID, OpenShards, Shard
from nthrun.records.sources import (
    ColumnsSource,
    MemorySource,
    ShardSource,
    in_order,
    read_table,
    sound_entries,
    without_repeats,
)
from nthrun.records.sources import Entry as Entry

CHUNK_CACHE_BYTES = 2**20
COMBINED = ("data.json", "data.h5")
"""What combining writes, by name."""
GONE = Items(Row((SHARD_ID, Text())))


class Data(Mapping[str, Any]):
    """The data dict of an experiment.

    Attributes:
        source: the file or directory it was opened from.
        entries: every run, unread, sorted by identity.
        full: whether nothing was left out (data.json leaves out the large arrays).
        unreadable: (path, what is wrong) of files that could not be read.
        gone: records that were replaced or forgotten.
        has_digest: whether a digest vouches for all of a data.json; that of a data.h5 is looked at
            where it is combined again.
    """

    def __init__(
        self,
        source: Path,
        experiment: Mapping[str, Any],
        entries: Sequence[Entry],
        full: bool = True,
        unreadable: Sequence[tuple[Path, str]] = (),
        gone: Places = NO_PLACES,
    ) -> None:
        self.source = source
        self.entries = in_order(entries)
        self.full = full
        self.unreadable = tuple(unreadable)
        self.gone = gone
        self.has_digest = False
        self._experiment = experiment
        settings: dict[int, list[Entry]] = {}
        for entry in self.entries:
            settings.setdefault(entry.identity.setting_number, []).append(entry)
        self._settings = {number: SettingData(runs) for number, runs in settings.items()}

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

    @property
    def agent_name(self) -> str:
        """The agent_name of the agent spec."""
        return str(self._experiment["agent"]["agent_name"])

    @property
    def env_name(self) -> str:
        """The env_name of the environment spec."""
        return str(self._experiment["environment"]["env_name"])

    def without_damaged(self) -> Data:
        """The same without files that cannot be read, which takes reading all of each.

        Raises:
            DamagedFileError: it is the only file.
        """
        kept, damaged = sound_entries(self.entries)
        if damaged and damaged[0][0] == self.source:
            raise DamagedFileError(f"{self.source}: {damaged[0][1]}")
        unreadable = (*self.unreadable, *damaged)
        return Data(self.source, self._experiment, kept, self.full, unreadable, self.gone)

    def scalars(self) -> dict[str, np.ndarray]:
        """Every integer, float and text of the record, each (num_runs,) along `entries`."""
        return self.read().scalars()

    def ragged(self, name: str) -> Ragged:
        """One array of all runs along `entries`, such as "eval_metrics/oracle_gap".

        A run without it has no values.

        Raises:
            DataFileError: this is a data.json that leaves the array out.
        """
        return self.read((name,)).ragged(name)

    def to_pandas(self, rows: str = "runs") -> Any:
        """A `pandas.DataFrame` with a row a run.

        Args:
            rows: what each row is: "runs" as `nthrun.table` has them; "episodes" of training as
                `nthrun.episode_table`, or "evaluations" as `nthrun.evaluation_table`, in long form.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return import_module("nthrun.records.frames").to_pandas(self, rows)

    def to_xarray(self) -> Any:
        """Runs and evaluations as an `xarray.Dataset`, see `nthrun.records.frames.to_xarray`.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        return import_module("nthrun.records.frames").to_xarray(self)

    def settings(self) -> dict[int, dict[str, Any]]:
        """Setting number -> agent_params, of the settings that have runs."""
        firsts = [setting.first for setting in self._settings.values()]
        parameters = read_table(firsts, ("agent_params",)).documents("agent_params")
        return dict(zip(self._settings, parameters, strict=True))

    def read(self, names: Collection[str] = ()) -> RecordTable:
        """All runs along `entries`; every file is read once.

        Args:
            names: arrays, "agent_params" or "provenance" to read besides the scalars.

        Raises:
            DataFileError: this is a data.json that leaves one of the arrays out.
        """
        left_out = [name for name in names if name.partition("/")[0] in OMITTED_FROM_JSON]
        if left_out and not self.full:
            raise DataFileError(
                f"{self.source}: leaves out {', '.join(left_out)}",
                "combine with --full, or read data.h5 or the experiment directory",
            )
        return read_table(self.entries, names)


class SettingData(Mapping[str, Any]):
    """`agent_params` and `runs` of one setting."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    @property
    def first(self) -> Entry:
        """The run that tells the hyperparameters."""
        return self._entries[0]

    def __getitem__(self, key: str) -> Any:
        if key == "runs":
            return RunList(self._entries)
        if key == "agent_params":
            return self.first.load(OMITTED_FROM_JSON)["agent_params"]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("agent_params", "runs"))

    def __len__(self) -> int:
        return 2


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
    def __getitem__(self, number: int | slice) -> Run | Sequence[Run]:
        if isinstance(number, slice):
            return RunList(self._entries[number])
        return self._entries[number].load(())


def open_data(path: str | Path) -> Data:
    """Open a shard, an experiment directory, data.json, data.h5, or a folder with one of these two.

    Raises:
        DataFileError: there is nothing readable at the path.
    """
    path = Path(path)
    if is_experiment(path):
        return open_directory(open_experiment(path))
    if not is_file(path):
        for name in COMBINED:
            if is_file(path / name):
                return open_data(path / name)
        raise DataFileError(
            f"{path}: no data here", "give a shard, an experiment directory, data.json or data.h5"
        )
    if path.suffix == ".h5" and is_checksummed(path):
        with naming_damage(path):
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
    with naming_damage(path):
        file = open_hdf5(path, CHUNK_CACHE_BYTES)
        if file.attrs.get("kind") != "data":
            raise DataFileError(f"{path}: not a file that nthrun wrote")
        require_schema(path, file.attrs["schema"])
        try:
            gone = parse_places(read_json(file, "gone", GONE))
        except IndexSpecError as error:
            raise DataFileError(f"{path}: gone: {error.message}") from error
        return _columns_data(path, read_json(file, "experiment", SPECS), ColumnsReader(file), gone)


def open_directory(
    experiment: Experiment, gone: Places = NO_PLACES, trust_cache: bool = True
) -> Data:
    """The data of an experiment directory's shards.

    Args:
        experiment: whose.
        gone: records that no longer count, besides those that the directory says.
        trust_cache: as `take_inventory`.
    """
    inventory = experiment.inventory(trust_cache)
    shards = OpenShards(experiment.manifest.num_settings)
    sources: dict[Path, ShardSource] = {}
    entries = []
    for (stage, index), locations in inventory.entries.items():
        setting_number, run_number = split_index(index, experiment.manifest.num_settings)
        identity = Identity(setting_number, stage, run_number)
        entries += [
            Entry(
                identity, shard, status, sources.setdefault(path, ShardSource(path, shards)), index
            )
            for shard, path, status in locations
            if (shard, index) not in gone
        ]
    unreadable = inventory.unreadable
    try:
        kept, _ = without_repeats(entries)
    except DamagedFileError:
        entries, damaged = sound_entries(entries)
        unreadable = (*unreadable, *damaged)
        kept, _ = without_repeats(entries)
    return Data(experiment.root, experiment.specs, kept, unreadable=unreadable, gone=inventory.gone)


def _columns_data(
    path: Path,
    experiment: Mapping[str, Any],
    columns: ColumnsReader,
    gone: Places = NO_PLACES,
) -> Data:
    source = ColumnsSource(path, columns)
    with naming_damage(path):
        runs = columns.table(np.arange(len(columns)), ("provenance",))
        identities = map(Identity._make, runs.numbers[list(Identity._fields)].tolist())
        shards = (document.get("shard", "") for document in runs.documents("provenance"))
        described = zip(identities, shards, runs.texts["status"], strict=True)
        entries = [
            Entry(identity, shard, status, source, row)
            for row, (identity, shard, status) in enumerate(described)
        ]
    return Data(path, experiment, entries, gone=gone)


def _open_json(path: Path) -> Data:
    content = read_json_file(path)

    source = MemorySource(content.runs)
    entries = [
        Entry(run.identity, run["provenance"].get("shard", ""), run["status"], source, position)
        for position, run in enumerate(content.runs)
    ]
    data = Data(path, content.experiment, entries, full=not content.omitted, gone=content.gone)
    data.has_digest = content.has_digest
    return data
