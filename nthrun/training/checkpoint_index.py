"""The index of checkpoints: which there are, for which runs they count, and which can go.

Every attempt at a pack has a directory of its own, whose name tells the range of its indices. This
module reads the headers of checkpoints only, and imports no torch.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.records.durable_file import read_checksummed, read_header, storage_error, sync_directory
from nthrun.training.append_log import LogPosition, read_log

STATE_FILES = "state-*.ckpt"
LEFT_BEHIND_SECONDS = 86_400
"""Age from which a directory without any checkpoint is what a killed process left behind."""


ABANDONED = "abandoned-"
"""Name, with the index behind it, of a file that makes a directory's checkpoints unusable for
that index, and for no other."""


def pack_name(stage: int, indices: Sequence[int]) -> str:
    """A new name for the directory of an attempt at a pack: stage, least and greatest index."""
    return f"stage{stage}-{min(indices)}-{max(indices)}-{secrets.token_hex(4)}"


def packs_with(directory: Path, stage: int, wanted: set[int]) -> Iterator[Path]:
    """Directories of packs whose range of indices, told by their names, has a wanted one."""
    ordered = sorted(wanted)
    for pack in sorted(directory.glob(f"stage{stage}-*-*-*")):
        first, last = pack.name.split("-")[1:3]
        position = bisect_left(ordered, int(first))
        if position < len(ordered) and ordered[position] <= int(last):
            yield pack


def held_indices(pack: Path) -> set[int]:
    """The indices that a directory has checkpoints of.

    Raises:
        DataFileError, KeyError: a checkpoint is damaged.
    """
    return {x["index"] for path in pack.glob(STATE_FILES) for x in read_header(path)["lanes"]}


def all_held(directory: Path) -> dict[int, set[int]]:
    """Stage -> the indices that there are checkpoints of; damaged ones are passed over."""
    held: dict[int, set[int]] = {}
    for pack in directory.glob("stage*-*-*-*"):
        with contextlib.suppress(DataFileError, KeyError, OSError):
            stage = int(pack.name.split("-")[0].removeprefix("stage"))
            held.setdefault(stage, set()).update(held_indices(pack))
    return held


def abandoned_indices(pack: Path) -> set[int]:
    """The indices that a directory's checkpoints are unusable for."""
    return {int(path.name.removeprefix(ABANDONED)) for path in pack.glob(f"{ABANDONED}*")}


def abandon_checkpoints(directory: Path, stage: int, indices: Iterable[int]) -> None:
    """Make what checkpoints there are of some indices unusable, durably; others keep theirs.

    Args:
        directory: the experiment's checkpoints/.
        stage: of the indices.

    Raises:
        StorageError: the file system failed.
    """
    wanted = set(indices)
    for pack in packs_with(directory, stage, wanted):
        try:
            held = held_indices(pack)
            for index in wanted & held:
                (pack / f"{ABANDONED}{index}").touch()
            sync_directory(pack)
            if held <= abandoned_indices(pack):
                shutil.rmtree(pack, ignore_errors=True)
        except (DataFileError, KeyError, FileNotFoundError):
            continue  # of no use to any index, or deleted by another process meanwhile
        except OSError as error:
            raise storage_error(pack, error) from error


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
        checkpoint = CheckpointFile(
            path, header["step"], tuple(x["index"] for x in header["lanes"])
        )
        for index in relevant:
            if index not in newest or newest[index].step < checkpoint.step:
                newest[index] = checkpoint
    return newest, refused


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


def _require_usable(path: Path, facts: Mapping[str, Any]) -> None:
    """Check a whole checkpoint: every checksum, and that this process may continue it.

    Raises:
        DataFileError: it is damaged, or was made by other code or on another machine.
    """
    header, _ = read_checksummed(path)
    different = [name for name, value in facts.items() if header["facts"].get(name) != value]
    if different:
        raise DataFileError(
            f"{path}: made with other {', '.join(different)}; its runs start from step 0"
        )
    for position in (header["series"], *header["replay"]):
        read_log(path.parent, LogPosition(**position))
