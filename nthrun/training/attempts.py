"""The directories of attempts at packs: which there are, and for which indices they count."""

from __future__ import annotations

import contextlib
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from nthrun.errors import DataFileError
from nthrun.records.durable_file import read_header, storage_error, sync_directory
from nthrun.training.checkpoint_index import STATE_FILES

ABANDONED = "abandoned-"
"""With the index behind it, the name of a file that makes a directory's checkpoints unusable for
that index, and for no other."""


def packs_with(directory: Path, stage: int, wanted: set[int]) -> Iterator[Path]:
    """Directories of packs whose range of indices, told by their names, has a wanted one."""
    ordered = sorted(wanted)
    for pack in sorted(directory.glob(f"stage{stage}-*-*-*")):
        first, last = pack.name.split("-")[1:3]
        place = bisect_left(ordered, int(first))
        if place < len(ordered) and ordered[place] <= int(last):
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
