"""The user's project: the folder with the code that specs name, as `package.module:Class`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from nthrun.errors import DataFileError
from nthrun.specs.shipped import INSTALLED

PROJECT = "NTHRUN_PROJECT"
"""A variable of this process and of those that it starts: the project in use."""
SOURCES = "src"
"""A folder of a project that modules may be in."""


def find_project(files: Iterable[str], named: str | None = None) -> Path:
    """The project that specs belong to.

    That is the folder that is named; else the root of the git repository of the specs, or the
    folder that they are in, where a spec in the working directory, or below it, stands for that.

    Args:
        files: of specs.
        named: by the user.

    Raises:
        DataFileError: what is named is no folder.
    """
    if named is not None:
        if not Path(named).is_dir():
            raise DataFileError(f"--project {named}: no such folder", "name one with your code")
        return Path(named).resolve()
    here = Path.cwd()
    own = [path for path in map(_place, files) if INSTALLED not in path.parents]
    if not own or any(here in path.parents for path in own):
        return _repository(here)
    return _repository(own[-1].parent)


def _place(file: str) -> Path:
    return Path(os.path.abspath(file))


def _repository(folder: Path) -> Path:
    """The root of the git repository that a folder is in; else the folder."""
    above = (each for each in (folder, *folder.parents) if (each / ".git").exists())
    return next(above, folder)


def module_folders(project: Path, here: Path) -> list[Path]:
    """Where modules of a project are looked for: in the working directory if that is in it, in its
    root, and in its folder `src`."""
    within = [here] if here == project or project in here.parents else []
    sources = project / SOURCES
    return list(dict.fromkeys([*within, project, *([sources] if sources.is_dir() else [])]))


def use_project(project: Path) -> None:
    """Have this process, and those that it starts, import from a project before all else."""
    folders = [str(folder) for folder in module_folders(project, Path.cwd())]
    os.environ[PROJECT] = str(project)
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders)]
