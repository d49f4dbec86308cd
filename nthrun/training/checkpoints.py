"""Checkpoints: everything needed to continue a pack, bit for bit.

    checkpoints/<pack>/state-<step>.ckpt    checksummed; header: what, whose; then tensors (.npz)
    checkpoints/<pack>/series.log           every recorder event so far
    checkpoints/<pack>/replay-<n>.log       replay rows; only the newest `capacity` steps are kept

The state of every lane can be read alone, so that interrupted indices may be packed anew.
Two generations of the state are kept. An attempt writes into a directory of its own.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nthrun.agents.base import State
from nthrun.errors import DataFileError
from nthrun.files.document import require_form
from nthrun.planning.packs import Pack
from nthrun.records.durable_file import block_size, read_checksummed, write_checksummed
from nthrun.training.append_log import AppendLog, LogPosition, read_log
from nthrun.training.array_archive import pack_arrays, unpack_arrays
from nthrun.training.checkpoint_index import (
    HEADER,
    CheckpointFile,
    abandoned_indices,
    pack_name,
    state_files,
)
from nthrun.training.recording import Event, joined_events

GENERATIONS = 2
MAX_COST = 0.02
REPLAY = "replay"


@dataclass(frozen=True)
class LaneProgress:
    """One lane's part of a checkpoint that is not a tensor, as JSON data.

    Attributes:
        index: of the run.
        streams: where its noise streams stand.
        attempts: each attempt's start: step, time, place.
        train_time, eval_time: seconds so far.
    """

    index: int
    streams: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]]
    train_time: float
    eval_time: float


class CheckpointWriter:
    """Writes the checkpoints of one attempt at one pack.

    Args:
        directory: the experiment's checkpoints/.
        pack: whose.
        facts: what a resuming process must share: fingerprint, backend, code, versions, CPU.
        capacity: of the replay; 0 without one.
        interval_seconds: least time between checkpoints; it grows where writing takes longer
            than 2 % of it.

    Attributes:
        superseded: directories of earlier attempts, deleted once this one has a checkpoint.
    """

    def __init__(
        self,
        directory: Path,
        pack: Pack,
        facts: Mapping[str, Any],
        capacity: int,
        interval_seconds: float,
    ) -> None:
        indices = [run.index for run in pack.runs]
        self.directory = directory / pack_name(pack.stage, indices)
        self.superseded: list[Path] = []
        self._pack = pack
        self._facts = facts
        self._capacity = capacity
        self._interval = interval_seconds
        self._due = time.monotonic() + interval_seconds
        self._events: list[Event] = []
        self._series = AppendLog(self.directory / "series.log")
        self._replay: list[tuple[int, AppendLog]] = []
        self._replay_end = 0
        self._num_replay_logs = 0
        self._referred: list[set[str]] = []

    def log(self, event: Event) -> None:
        """Keep an event for the next checkpoint."""
        self._events.append(event)

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() >= self._due

    def write(self, step: int, state: State, lanes: Sequence[LaneProgress]) -> None:
        """Write one durably and drop all but the two newest.

        Raises:
            StorageError: the disk is full; the previous checkpoint stays.
        """
        started = time.monotonic()
        for event in joined_events(self._events):
            self._series.append(event)
        self._events.clear()
        if self._capacity:
            self._log_replay(step, state[REPLAY])
        header = {
            "kind": "checkpoint",
            "stage": self._pack.stage,
            "step": step,
            "facts": dict(self._facts),
            "lanes": [vars(lane) for lane in lanes],
            "series": self._series.position().as_json(),
            "replay": [log.position().as_json() for _, log in self._replay],
        }
        arrays = {k: v.numpy(force=True) for k, v in state.items() if k != REPLAY}
        path = self.directory / f"state-{step:015d}.ckpt"
        write_checksummed(path, header, lambda _: pack_arrays(arrays))
        self._drop_old_files()
        self.drop_superseded()
        cost = time.monotonic() - started
        self._due = time.monotonic() + max(self._interval, cost / MAX_COST)

    def drop_superseded(self) -> None:
        """Delete the directories of earlier attempts."""
        while self.superseded:
            shutil.rmtree(self.superseded.pop(), ignore_errors=True)

    def _log_replay(self, step: int, buffer: torch.Tensor) -> None:
        """Log the rows written since the last checkpoint; start a new log every capacity steps."""
        first = max(self._replay_end, step - self._capacity)
        if step > first:
            if not self._replay or step - self._replay[-1][0] > self._capacity:
                path = self.directory / f"replay-{self._num_replay_logs}.log"
                self._replay.append((first, AppendLog(path)))
                self._num_replay_logs += 1
            slots = torch.arange(first, step, device=buffer.device) % self._capacity
            rows = buffer.index_select(1, slots).numpy(force=True)
            self._replay[-1][1].append({"first_step": np.array(first), "rows": rows})
            self._replay_end = step
        while len(self._replay) > 1 and self._replay[1][0] <= step - self._capacity:
            self._replay.pop(0)

    def _drop_old_files(self) -> None:
        """Delete state files but the newest, and replay logs that none of those refers to."""
        for old in state_files(self.directory)[:-GENERATIONS]:
            with contextlib.suppress(OSError):
                old.unlink()
        self._referred = [*self._referred, {log.name for _, log in self._replay}][-GENERATIONS:]
        for log in self.directory.glob("replay-*.log"):
            if not any(log.name in names for names in self._referred):
                with contextlib.suppress(OSError):
                    log.unlink()


@dataclass
class LaneCheckpoint:
    """One lane read back: its progress, tensors without lane axis, and recorder events."""

    progress: LaneProgress
    tensors: dict[str, np.ndarray]
    events: list[dict[str, np.ndarray]] = field(default_factory=list)


def load_lanes(
    file: CheckpointFile, indices: Sequence[int], capacity: int
) -> dict[int, LaneCheckpoint]:
    """Read some lanes of a checkpoint.

    Raises:
        DataFileError: it is damaged.
    """
    header, content = read_checksummed(file.path)
    require_form(file.path, header, HEADER, "a checkpoint")
    directory = file.path.parent
    lanes = {index: file.indices.index(index) for index in indices}
    try:
        tensors = unpack_arrays(content[block_size(content) :])
        require_lanes(tensors, len(header["lanes"]))
    except ValueError as error:
        raise DataFileError(f"{file.path}: damaged in its tensors: {error}") from error
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


def require_lanes(tensors: Mapping[str, np.ndarray], num_lanes: int) -> None:
    """Check that tensors have lanes.

    Raises:
        ValueError: one has not.
    """
    for name, values in tensors.items():
        if values.shape[:1] != (num_lanes,):
            raise ValueError(f"{name[:40]} has not {num_lanes} lanes")


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
