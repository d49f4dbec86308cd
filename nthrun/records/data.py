"""The nested data dict, as a lazy view of a shard, an experiment, data.json or data.h5.

data["experiment"]["environment" | "agent"]                 the two specs
data["experiment_data"][setting_number]["agent_params"]     the setting's hyperparameters
data["experiment_data"][setting_number]["runs"][j]          one run, by (stage, run number)

`table` gives the same runs one row each: the numbers that selection and statistics start from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from nthrun.errors import DamagedFileError, DataFileError, IndexSpecError
from nthrun.files.forms import Items, Row, Text
from nthrun.index import split_index
from nthrun.records.columns import ColumnsReader
from nthrun.records.durable_file import is_checksummed
from nthrun.records.episodes import UNFINISHED, counted_episodes
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
ARRAYS = (
    *("train_episode_rewards", "train_episode_steps"),
    *("eval_episode_rewards", "timesteps_at_eval"),
)


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


def table(data: Data) -> dict[str, np.ndarray]:
    """The runs of an experiment as columns of equal length, sorted by identity.

    Columns: every integer, float and text of the record; `agent_params.<name>` for every
    hyperparameter; `mean_return`, the step-weighted mean of training returns, the one so far of an
    episode that the run's end cut off included (NaN without an episode); `final_eval_return`, the
    mean of the last evaluation (NaN without one). A record made before such episodes were recorded
    has -1 `unfinished_episode_steps` and a NaN.
    """
    runs = data.read(("agent_params", *ARRAYS))
    returns, steps, evaluations, evaluated = map(runs.ragged, ARRAYS)
    episodes = counted_episodes(returns, steps, *(runs.numbers[name] for name in UNFINISHED))
    columns = runs.scalars() | _hyperparameters(runs.documents("agent_params"))
    columns["mean_return"] = step_weighted_returns(*episodes)
    columns["final_eval_return"] = _final_means(evaluations, evaluated.sizes)
    return columns


def step_weighted_returns(returns: Ragged, steps: Ragged) -> np.ndarray:
    """Mean over steps of the return of the episode each step belongs to, of every run.

    Args:
        returns, steps: return and length of each episode of `num_runs` runs.

    Returns:
        `(num_runs,)`, NaN of a run without a step.
    """
    totals = _sums(steps.values, steps.offsets).astype(np.float64)
    weighted = _sums(returns.values * steps.values, returns.offsets).astype(np.float64)
    means = np.full(len(totals), np.nan)
    np.divide(weighted, totals, out=means, where=totals > 0)
    return means


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


def _final_means(values: Ragged, num_rows: np.ndarray) -> np.ndarray:
    """Mean of the last of each run's rows, of which there are `num_rows`; NaN where it is empty."""
    sizes = values.sizes // np.maximum(num_rows, 1)
    means = np.full(len(values), np.nan)
    for size in np.unique(sizes[sizes > 0]):
        chosen = np.flatnonzero(sizes == size)
        positions = values.offsets[1:][chosen, None] + np.arange(-size, 0)
        means[chosen] = values.values[positions].mean(1)
    return means


def _sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The sum of each stretch of `values`; 0 of an empty one."""
    sums: np.ndarray = np.zeros(len(offsets) - 1, values.dtype)
    filled = np.diff(offsets) > 0
    if filled.any():
        with np.errstate(invalid="ignore"):  # infinities of both signs give NaN
            sums[filled] = np.add.reduceat(values, offsets[:-1][filled])
    return sums


def _hyperparameters(settings: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    distinct = {id(setting): setting for setting in settings}
    rows = {key: row for row, key in enumerate(distinct)}
    positions = np.array([rows[id(setting)] for setting in settings], np.int64)
    names = dict.fromkeys(name for setting in distinct.values() for name in setting)
    return {
        f"agent_params.{name}": _column([s.get(name) for s in distinct.values()])[positions]
        for name in names
    }


def _column(values: list[Any]) -> np.ndarray:
    """An array of plain values of one kind, else of objects."""
    kinds = {str if isinstance(value, str) else type(value) for value in values}
    if kinds & {list, dict, type(None)} or (str in kinds and len(kinds) > 1):
        column = np.empty(len(values), dtype=object)
        for row, value in enumerate(values):
            column[row] = value
        return column
    return np.array(values)
