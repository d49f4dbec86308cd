"""The places that commands take: an experiment, a save dir with experiments in it, or a file.

`walk` and `results/walk` are the same place in every command, as a save dir lies under `results/`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from nthrun.errors import DataFileError, StorageError
from nthrun.records.experiment import is_experiment
from nthrun.records.listing import is_file, paths_in
from nthrun.scheduling.pending import experiments_under
from nthrun.specs.directory import save_directory


def data_paths(texts: Iterable[str]) -> list[Path]:
    """The files and experiments that texts of a command line name, those of a save dir one by one.

    What is no place of data is left as it is, for whoever opens it to say so.
    """
    return [path for text in texts for path in _places(text)]


def data_path(text: str) -> Path:
    """The one file or experiment that a text of a command line names.

    Raises:
        DataFileError: it is a save dir of several.
    """
    places = _places(text)
    if len(places) > 1:
        names = ", ".join(str(path) for path in places[:5]) + ", …" * (len(places) > 5)
        raise DataFileError(
            f"{text}: holds {len(places)} experiments, allowed: one", f"name one of {names}"
        )
    return places[0]


def experiments_at(text: str, closed: list[tuple[Path, StorageError]] | None = None) -> list[Path]:
    """The experiments that a text of a command line names, those that are only planned too.

    Args:
        text: an experiment's directory or a save dir, as it stands or else under `results/`.
        closed: see `experiments_under`.

    Raises:
        DataFileError: there is none.
        StorageError: a folder cannot be listed.
    """
    _require_text(text)
    named, saved = Path(text), save_directory(text)
    if named != saved:
        with contextlib.suppress(DataFileError):
            return experiments_under(named, closed)
    return experiments_under(saved, closed)


def _require_text(text: str) -> None:
    if not text:
        raise DataFileError('"": no path', "name an experiment's directory, or a file of data")


def _places(text: str) -> list[Path]:
    """Where a text is to be found: as it stands, or else under `results/`.

    Raises:
        DataFileError: it is empty.
        StorageError: a folder cannot be listed.
    """
    _require_text(text)
    for place in dict.fromkeys((Path(text), save_directory(text))):
        if is_file(place) or is_experiment(place):
            return [place]
        if within := [path for path in paths_in(place) if is_experiment(path)]:
            return within
    return [Path(text)]
