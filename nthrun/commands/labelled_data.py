"""The data that a command is given, opened and labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from nthrun.commands.experiment_paths import data_paths
from nthrun.errors import DamagedFileError, NthrunError
from nthrun.records import Data, open_data
from nthrun.terminal import warn

T = TypeVar("T")


def open_labelled(
    paths: Sequence[str | Path], labels: Sequence[str] = (), by_environment: bool = False
) -> list[tuple[str, Data]]:
    """Label and data, in the order given; warns of what cannot be read of them.

    Args:
        paths: of the data; of a save dir, every experiment in it.
        labels: one for each; none takes them from the names of the files.
        by_environment: whether data of different environments may have the same label.

    Raises:
        NthrunError: a file cannot be read, or the labels do not fit.
    """
    opened = [open_data(path) for path in data_paths(map(str, paths))]
    for path, problem in (pair for data in opened for pair in data.unreadable):
        warn(f"{path}: {problem}; left out")
    if labels and len(labels) != len(opened):
        raise NthrunError(
            f"--label: got {len(labels)} labels for {len(opened)} data",
            "give one --label for each DATA, in the same order",
        )
    scopes = [data.env_name if by_environment else "" for data in opened]
    labels = labels or _default_labels(opened, scopes)
    taken: set[tuple[str, str]] = set()
    for label, scope, data in zip(labels, scopes, opened, strict=True):
        if (scope, label) in taken:
            raise NthrunError(
                f"{data.source}: label {label!r} is taken", "give each DATA its own --label"
            )
        taken.add((scope, label))
    return list(zip(labels, opened, strict=True))


def act_on_readable(
    labelled: Sequence[tuple[str, Data]], act: Callable[[Sequence[tuple[str, Data]]], T]
) -> tuple[T, int]:
    """What a function makes of data; where a file proves unreadable, of the others.

    Args:
        labelled: label and data.
        act: the function; it is called a second time where a file is left out.

    Returns:
        what it makes, and the exit code: 1 where something was left out.
    """
    try:
        made = act(labelled)
    except DamagedFileError:
        known = {path for _, data in labelled for path, _ in data.unreadable}
        labelled = [(label, data.without_damaged()) for label, data in labelled]
        files = [file for _, data in labelled for file in data.unreadable if file[0] not in known]
        if not files:
            raise
        for path, problem in files:
            warn(f"{path}: {problem}; left out")
        made = act(labelled)
    return made, int(any(data.unreadable for _, data in labelled))


def _default_labels(opened: Sequence[Data], scopes: Sequence[str]) -> list[str]:
    """Short labels; those that two DATA of one scope would share become their paths."""
    short = [*zip(scopes, map(_short_label, opened), strict=True)]
    count = Counter(short)
    return [
        str(data.source) if count[pair] > 1 else pair[1]
        for pair, data in zip(short, opened, strict=True)
    ]


def _short_label(data: Data) -> str:
    """The experiment's name without its environment's, or a single file's own name."""
    path = data.source.resolve()
    if path.is_dir():
        label = path.name
    elif path.stem == "data":
        label = path.parent.name
    else:
        label = path.stem
    return label.removeprefix(f"{data.env_name}_")
