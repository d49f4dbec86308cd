"""The index of checkpoints: which there are, for which runs they count, and which can go.

Every attempt at a pack has a directory of its own, whose name tells the range of its indices. This
module reads the headers of checkpoints only, and imports no torch.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nthrun.agents.parents import Parent
from nthrun.errors import DataFileError, StorageError
from nthrun.files.document import require_form
from nthrun.files.forms import Fields, Items, Number, Plain, Table, Text, Whole
from nthrun.index import MAX_STAGE
from nthrun.records.durable_file import read_header, storage_error, sync_directory, verified_header
from nthrun.records.listing import is_own_folder, names_in
from nthrun.training.append_log import LogPosition, read_log
from nthrun.training.comparability import difference, parent_difference

STATE_FILE = re.compile(r"state-[0-9]{1,18}\.ckpt")
PACK = re.compile(r"stage([0-9]{1,18})-([0-9]{1,19})-([0-9]{1,19})-[0-9a-f]{1,32}")
"""The name of an attempt's directory; anything else in checkpoints/ is nobody's."""
LEFT_BEHIND_SECONDS = 86_400
"""Age from which a directory without any checkpoint is what a killed process left behind."""


STREAM = Fields(
    {
        "bit_generator": Text(("PCG64",)),
        "state": Fields(dict.fromkeys(("state", "inc"), Whole(0, 2**128 - 1))),
        "has_uint32": Whole(0, 1),
        "uinteger": Whole(0, 2**32 - 1),
    }
)
POSITION = Fields(
    {
        "name": Text(pattern=r"(series|replay-[0-9]{1,18})\.log", words="a log of the checkpoint"),
        "end": Whole(),
        "sha256": Text(pattern="[0-9a-f]{64}", words="a SHA-256 in hexadecimal"),
    }
)
HEADER = Fields(
    {
        "kind": Text(("checkpoint",)),
        "stage": Whole(0, MAX_STAGE),
        "step": Whole(),
        "facts": Table(Plain()),
        "lanes": Items(
            Fields(
                {
                    "index": Whole(),
                    "streams": Fields(dict.fromkeys(("ENVIRONMENT", "AGENT", "REPLAY"), STREAM)),
                    "attempts": Items(Table(Plain())),
                    "train_time": Number(0),
                    "eval_time": Number(0),
                }
            )
        ),
        "series": POSITION,
        "replay": Items(POSITION),
    }
)
"""Of a state file."""

ABANDONED = "abandoned-"
"""Name, with the index behind it, of a file that makes a directory's checkpoints unusable for
that index, and for no other."""
ABANDONED_FILE = re.compile(rf"{ABANDONED}([0-9]{{1,19}})")


def pack_name(stage: int, indices: Sequence[int]) -> str:
    """A new name for the directory of an attempt at a pack: stage, least and greatest index."""
    return f"stage{stage}-{min(indices)}-{max(indices)}-{secrets.token_hex(4)}"


def packs_with(directory: Path, stage: int, wanted: set[int]) -> Iterator[Path]:
    """Directories of packs whose range of indices, told by their names, has a wanted one."""
    ordered = sorted(wanted)
    for pack, of_stage, first, last in _packs(directory):
        position = bisect_left(ordered, first)
        if of_stage == stage and position < len(ordered) and ordered[position] <= last:
            yield pack


def _packs(directory: Path) -> Iterator[tuple[Path, int, int, int]]:
    """Every attempt's directory, with its stage and its least and greatest index.

    Raises:
        StorageError: they cannot be listed, which does not mean that there are none.
    """
    for name in sorted(names_in(directory)):
        match = PACK.fullmatch(name)
        if match is not None and is_own_folder(directory / name):
            stage, first, last = map(int, match.groups())
            yield directory / name, stage, first, last


def state_files(pack: Path) -> list[Path]:
    """The states that an attempt has saved, oldest first.

    Raises:
        StorageError: they cannot be listed.
    """
    return [pack / name for name in sorted(names_in(pack)) if STATE_FILE.fullmatch(name)]


def held_indices(pack: Path) -> set[int]:
    """The indices that a directory has checkpoints of.

    Raises:
        DataFileError: a checkpoint is damaged.
        StorageError: they cannot be listed.
    """
    headers = map(checkpoint_header, state_files(pack))
    return {lane["index"] for header in headers for lane in header["lanes"]}


def checkpoint_header(path: Path, verified: bool = False) -> dict[str, Any]:
    """The header of a state file.

    Args:
        path: of it.
        verified: whether its checksum is to be verified too, for which all of it is read.

    Raises:
        DataFileError: it is damaged, or a field is not what it has to be.
    """
    header = (verified_header if verified else read_header)(path)
    require_form(path, header, HEADER, "a checkpoint")
    return header


def all_held(directory: Path) -> dict[int, set[int]]:
    """Stage -> the indices that there are checkpoints of; damaged ones are passed over.

    Raises:
        StorageError: they cannot be listed.
    """
    held: dict[int, set[int]] = {}
    for pack, stage, _, _ in _packs(directory):
        with contextlib.suppress(DataFileError):
            held.setdefault(stage, set()).update(held_indices(pack))
    return held


def abandoned_indices(pack: Path) -> set[int]:
    """The indices that a directory's checkpoints are unusable for."""
    found = map(ABANDONED_FILE.fullmatch, names_in(pack))
    return {int(match[1]) for match in found if match}


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
                with contextlib.suppress(FileExistsError):  # a link there may lead anywhere
                    (pack / f"{ABANDONED}{index}").touch(exist_ok=False)
            sync_directory(pack)
            if held <= abandoned_indices(pack):
                shutil.rmtree(pack, ignore_errors=True)
        except (DataFileError, FileNotFoundError):
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
    directory: Path,
    stage: int,
    indices: Iterable[int],
    facts: Mapping[str, Any],
    parents: Mapping[int, Parent | None] | None = None,
) -> tuple[dict[int, CheckpointFile], list[str]]:
    """The newest valid checkpoint of each index.

    Args:
        directory: the experiment's checkpoints/.
        stage, indices: whose.
        facts: of the present process.
        parents: index -> what its run starts from; None compares no parents.

    Returns:
        index -> checkpoint, and for each checkpoint that cannot be used a line saying why.

    Raises:
        StorageError: one cannot be read, for want of a permission or because the disk fails, which
            does not mean that it is of no use.
    """
    wanted = set(indices)
    newest: dict[int, CheckpointFile] = {}
    refused: list[str] = []
    for path in _states(directory, stage, wanted):
        try:
            header = checkpoint_header(path)
            relevant = wanted.intersection(lane["index"] for lane in header["lanes"])
            relevant -= abandoned_indices(path.parent)
            if not relevant:
                continue
            require_usable(path, facts)
            others = _of_other_parents(header, relevant, parents or {})
            relevant -= others.keys()
            refused += (f"{path}: index {i}: {why}" for i, why in others.items())
        except DataFileError as error:
            refused.append(str(error))
            continue
        except StorageError as error:
            anew = f"or move {path.parent} away, and its runs begin anew"
            raise StorageError(error.message, f"{error.hint}, {anew}") from error
        checkpoint = CheckpointFile(
            path, header["step"], tuple(x["index"] for x in header["lanes"])
        )
        for index in relevant:
            if index not in newest or newest[index].step < checkpoint.step:
                newest[index] = checkpoint
    return newest, refused


def _of_other_parents(
    header: Mapping[str, Any], indices: Iterable[int], parents: Mapping[int, Parent | None]
) -> dict[int, str]:
    """Of some lanes of a checkpoint those that started from other parameters, and that in words."""
    begun = {lane["index"]: (*lane["attempts"], {})[0] for lane in header["lanes"]}
    compared = {i: parent_difference(begun[i], parents[i]) for i in indices if i in parents}
    return {i: f"{why}; its run starts from step 0" for i, why in compared.items() if why}


def drop_checkpoints(directory: Path, stage: int, recorded: Callable[[int], float]) -> None:
    """Delete the checkpoints that nothing needs any more.

    Args:
        directory: the experiment's checkpoints/.
        stage: of the indices.
        recorded: tells when the record of an index was written (modification time of its shard),
            -1 without one. A checkpoint newer than the record belongs to a run that is to replace
            it, and stays.
    """
    for pack in (pack for pack, of_stage, _, _ in _packs(directory) if of_stage == stage):
        with contextlib.suppress(DataFileError, OSError):
            states = state_files(pack)
            newest = max((path.stat().st_mtime for path in states), default=0.0)
            indices = held_indices(pack)
            if all(recorded(index) >= newest for index in indices) and (
                indices or pack.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS
            ):
                shutil.rmtree(pack, ignore_errors=True)


def _states(directory: Path, stage: int, wanted: set[int]) -> Iterator[Path]:
    """State files of the packs whose range of indices has a wanted one."""
    for pack in packs_with(directory, stage, wanted):
        yield from state_files(pack)


def require_whole(path: Path) -> dict[str, Any]:
    """Check a whole checkpoint, whoever may continue it; gives its header.

    Raises:
        DataFileError: it is damaged.
    """
    header = checkpoint_header(path, verified=True)
    for position in (header["series"], *header["replay"]):
        read_log(path.parent, LogPosition(**position))
    return header


def require_usable(path: Path, facts: Mapping[str, Any]) -> None:
    """Check a whole checkpoint: every checksum, and that this process may continue it.

    Raises:
        DataFileError: it is damaged, or was made by other code or on another machine.
    """
    header = require_whole(path)
    if reason := difference(header["facts"], facts):
        raise DataFileError(f"{path}: {reason}; its runs start from step 0")
