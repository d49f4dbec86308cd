"""Importing a directory of the field's earlier tool: its pickles become one data.json or data.h5.

    <env_name>_<agent_name>_data_<index>.pkl      a run each
    data.pkl                                      several together

The pickles are read as `result_pickle` does, and never changed. Importing again adds what is new;
records whose pickles are gone stay. An episode that a run's end cut off is kept apart, in what an
import before that was done left too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nthrun.errors import DataFileError
from nthrun.legacy.result_pickle import read_pickle
from nthrun.legacy.runs import OldFile, keep_apart, old_file
from nthrun.records.combine import (
    Combined,
    Progress,
    carried_entries,
    same_records,
    write_combined,
)
from nthrun.records.data import Data, Entry, open_combined
from nthrun.records.durable_file import is_checksummed
from nthrun.records.listing import is_file, is_there, paths_in
from nthrun.records.schema import Run
from nthrun.records.sources import MemorySource, without_repeats

DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Imported:
    """What importing did.

    Attributes:
        combined: as combining has it.
        left_out: (pickle, keys of it that no record can hold).
    """

    combined: Combined
    left_out: tuple[tuple[Path, tuple[str, ...]], ...]


def old_pickles(directory: Path) -> list[Path]:
    """The result pickles of a directory, by name."""
    paths = () if is_file(directory) else paths_in(directory, suffix=".pkl")
    return [path for path in paths if is_file(path)]


def import_old(
    directory: Path, output: Path, full: bool = False, progress: Progress | None = None
) -> Imported:
    """Write the combined file of a directory of old result pickles.

    Args:
        directory: whose pickles are read.
        output: a path ending in .json or .h5.
        full: whether data.json holds everything; .h5 always does.
        progress: called with (pickles read, pickles in all).

    Raises:
        DataFileError: pickles of different specs, an output that must not be replaced, or of
            unknown type.
        StorageError: the file could not be written; an earlier one stays as it was.
    """
    if output.suffix not in (".json", ".h5"):
        raise DataFileError(f"{output}: unknown file type, allowed: .json, .h5")
    if is_checksummed(output):
        raise DataFileError(f"{output}: no combined file, so not replaced", "choose another OUT")
    unreadable: list[tuple[Path, str]] = []
    files = _read(old_pickles(directory), unreadable, progress)
    _require_one_experiment(files)
    earlier = _earlier(output, files, unreadable)
    left_out = tuple((f.path, tuple(sorted(f.left_out))) for f in files if f.left_out)
    if not files:
        return Imported(Combined(output, 0, 0, tuple(unreadable), (), False), left_out)
    specs = {"environment": files[0].environment, "agent": files[0].agent}
    data = Data(output, specs, _entries([run for file in files for run in file.runs]))
    current = [_kept_apart(each) for each in earlier]
    carried = carried_entries(current, data)
    entries, conflicts = without_repeats([*data.entries, *carried])
    num_carried = len(set(map(id, entries)).intersection(map(id, carried)))
    full = full or output.suffix == ".h5" or (num_carried > 0 and earlier[0].full)
    result = Data(output, specs, entries, full)
    unchanged = current == earlier and bool(earlier) and same_records(earlier[0], result)
    written = bool(entries) and not unchanged
    if written:
        write_combined(result, None, keep=not earlier)
    done = Combined(output, len(entries), num_carried, tuple(unreadable), tuple(conflicts), written)
    return Imported(done, left_out)


def _kept_apart(data: Data) -> Data:
    """An earlier import with the episodes that were cut off apart from the others, in whatever runs
    they are not; itself if there are none."""
    runs = [entry.load(()) for entry in data.entries]
    if all("unfinished_episode_steps" in run for run in runs):
        return data
    limit = data["experiment"]["environment"].get("steps_per_episode")
    for run in runs:
        if "unfinished_episode_steps" not in run:
            keep_apart(run, limit)
    return Data(data.source, data["experiment"], _entries(runs), data.full)


def _read(
    paths: Sequence[Path], unreadable: list[tuple[Path, str]], progress: Progress | None
) -> list[OldFile]:
    files = []
    for done, path in enumerate(paths, 1):
        try:
            content = read_pickle(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:DIGEST_LENGTH]
            files.append(old_file(path, digest, content))
        except DataFileError as error:
            unreadable.append((path, str(error).removeprefix(f"{path}: ")))
        except MemoryError:
            unreadable.append((path, "too large for this machine's memory"))
        if progress is not None:
            progress(done, len(paths))
    return files


def _entries(runs: Sequence[Run]) -> list[Entry]:
    source = MemorySource(runs)
    return [
        Entry(run.identity, run["provenance"]["shard"], run["status"], source, position)
        for position, run in enumerate(runs)
    ]


def _require_one_experiment(files: Sequence[OldFile]) -> None:
    """Check that all pickles are about the same specs, and each setting about the same values.

    Raises:
        DataFileError: they are not; two that differ are named.
    """
    settings: dict[int, tuple[Path, object]] = {}
    for file in files:
        keys = files[0].differing_keys(file)
        for run in file.runs:
            number = run["setting_number"]
            path, params = settings.setdefault(number, (file.path, run["agent_params"]))
            if not keys and params != run["agent_params"]:
                keys = [f"the hyperparameters of setting {number}"]
                raise _different(path, file.path, keys)
        if keys:
            raise _different(files[0].path, file.path, keys)


def _different(one: Path, other: Path, keys: Sequence[str]) -> DataFileError:
    return DataFileError(
        f"{one} and {other.name}: results of two experiments, which differ in: {', '.join(keys)}",
        "move the pickles of one of them to a directory of their own",
    )


def _earlier(
    output: Path, files: Sequence[OldFile], unreadable: list[tuple[Path, str]]
) -> list[Data]:
    """The file of an earlier import, if there is one.

    Raises:
        DataFileError: it holds something else.
    """
    if not is_there(output):
        return []
    try:
        data = open_combined(output)
        specs = data["experiment"]
        file = OldFile(output, "", dict(specs["agent"]), dict(specs["environment"]))
        same = not files or not files[0].differing_keys(file)
        ours = all("imported_from" in entry.load(())["provenance"] for entry in data.entries)
    except (DataFileError, LookupError, TypeError, ValueError) as error:
        problem = str(error).removeprefix(f"{output}: ")
        unreadable.append((output, f"{problem}; kept as {output.name}.damaged-<number>"))
        return []
    if not (same and ours):
        raise DataFileError(
            f"{output}: holds the records of another experiment", "choose another OUT"
        )
    return [data]
