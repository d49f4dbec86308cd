"""Resuming: finding, checking and reading the checkpoints that earlier attempts left."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.sealed import block_size, read_header, read_sealed
from nthrun.training.append_log import LogPosition, read_log
from nthrun.training.attempts import abandoned_indices, held_indices, packs_with
from nthrun.training.checkpoint import REPLAY, STATE_FILES, LaneProgress

LEFT_BEHIND_SECONDS = 86_400
"""Age from which a directory without any checkpoint is what a killed process left behind."""


@dataclass
class LaneCheckpoint:
    """One lane read back: its progress, tensors without lane axis, and recorder events."""

    progress: LaneProgress
    tensors: dict[str, np.ndarray]
    events: list[dict[str, np.ndarray]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A checkpoint on disk that fits the present machine and code.

    Attributes:
        path: of the state file.
        step: at which it was taken.
        indices: of its lanes, in order.
    """

    path: Path
    step: int
    indices: tuple[int, ...]


def find_checkpoints(
    directory: Path, stage: int, indices: Iterable[int], facts: Mapping[str, Any]
) -> tuple[dict[int, CheckpointFile], list[str]]:
    """The newest valid checkpoint of each index.

    Args:
        directory: the experiment's checkpoints/.
        stage, indices: whose.
        facts: of the present process.

    Returns:
        index -> checkpoint, and for each checkpoint that cannot be used a line saying why.
    """
    wanted = set(indices)
    newest: dict[int, CheckpointFile] = {}
    refused: list[str] = []
    for path in _states(directory, stage, wanted):
        try:
            header = read_header(path)
            relevant = wanted.intersection(lane["index"] for lane in header["lanes"])
            relevant -= abandoned_indices(path.parent)
            if not relevant:
                continue
            _require_usable(path, facts)
        except (DataFileError, KeyError, OSError) as error:
            refused.append(str(error))
            continue
        found = CheckpointFile(path, header["step"], tuple(x["index"] for x in header["lanes"]))
        for index in relevant:
            if index not in newest or newest[index].step < found.step:
                newest[index] = found
    return newest, refused


def load_lanes(
    file: CheckpointFile, indices: Sequence[int], capacity: int
) -> dict[int, LaneCheckpoint]:
    """Read some lanes of a checkpoint.

    Raises:
        DataFileError: it is damaged.
    """
    header, content = read_sealed(file.path)
    directory = file.path.parent
    lanes = {index: file.indices.index(index) for index in indices}
    with np.load(io.BytesIO(content[block_size(content) :]), allow_pickle=False) as arrays:
        tensors = dict(arrays)
    loaded = {
        index: LaneCheckpoint(
            LaneProgress(**header["lanes"][lane]),
            {name: values[lane] for name, values in tensors.items()},
        )
        for index, lane in lanes.items()
    }
    for event in read_log(directory, LogPosition(**header["series"])):
        for index, lane in lanes.items():
            loaded[index].events.append({k: values[lane].copy() for k, values in event.items()})
    if capacity:
        _load_replay(directory, header["replay"], lanes, loaded, capacity)
    return loaded


def load_pack(
    files: Mapping[int, CheckpointFile], capacity: int
) -> tuple[dict[int, LaneCheckpoint], list[Path]]:
    """Read the lanes of a pack, whatever packs they were in when they were saved.

    Args:
        files: index -> its checkpoint.
        capacity: of the replay.

    Returns:
        index -> its lane, and the directories of which nothing is left to be read.

    Raises:
        DataFileError: a checkpoint is damaged.
    """
    by_file: dict[CheckpointFile, list[int]] = {}
    for index, file in files.items():
        by_file.setdefault(file, []).append(index)
    loaded: dict[int, LaneCheckpoint] = {}
    for file, indices in by_file.items():
        loaded |= load_lanes(file, indices, capacity)
    return loaded, [
        file.path.parent
        for file, indices in by_file.items()
        if set(file.indices) <= {*indices, *abandoned_indices(file.path.parent)}
    ]


def drop_checkpoints(directory: Path, stage: int, recorded: Callable[[int], float]) -> None:
    """Delete the checkpoints that nothing needs any more.

    Args:
        directory: the experiment's checkpoints/.
        stage: of the indices.
        recorded: tells when the record of an index was written (modification time of its shard),
            -1 without one. A checkpoint newer than the record belongs to a run that is to replace
            it, and stays.
    """
    for pack in directory.glob(f"stage{stage}-*"):
        with contextlib.suppress(DataFileError, KeyError, OSError):
            states = list(pack.glob(STATE_FILES))
            newest = max((path.stat().st_mtime for path in states), default=0.0)
            indices = held_indices(pack)
            if all(recorded(index) >= newest for index in indices) and (
                indices or pack.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS
            ):
                shutil.rmtree(pack, ignore_errors=True)


def _states(directory: Path, stage: int, wanted: set[int]) -> Iterator[Path]:
    """State files of the packs whose range of indices has a wanted one."""
    for pack in packs_with(directory, stage, wanted):
        yield from sorted(pack.glob(STATE_FILES))


def _load_replay(
    directory: Path,
    positions: Sequence[Mapping[str, Any]],
    lanes: Mapping[int, int],
    loaded: Mapping[int, LaneCheckpoint],
    capacity: int,
) -> None:
    for position in positions:
        for frame in read_log(directory, LogPosition(**position)):
            rows = frame["rows"]
            slots = (int(frame["first_step"]) + np.arange(rows.shape[1])) % capacity
            for index, lane in lanes.items():
                shape = (capacity, rows.shape[2])
                buffer = loaded[index].tensors.setdefault(REPLAY, np.zeros(shape, rows.dtype))
                buffer[slots] = rows[lane]


def _require_usable(path: Path, facts: Mapping[str, Any]) -> None:
    """Check a whole checkpoint: every checksum, and that this process may continue it.

    Raises:
        DataFileError: it is damaged, or was made by other code or on another machine.
    """
    header, _ = read_sealed(path)
    different = [name for name, value in facts.items() if header["facts"].get(name) != value]
    if different:
        raise DataFileError(
            f"{path}: made with other {', '.join(different)}; its runs start from step 0"
        )
    for position in (header["series"], *header["replay"]):
        read_log(path.parent, LogPosition(**position))
