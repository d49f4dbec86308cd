"""The state of the code that runs: nthrun's, that of the user's project, and what is installed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from nthrun.records.distributions import (
    DISTRIBUTIONS,
    distributions_hash,
    installed_distributions,
)
from nthrun.specs.project import PROJECT
from nthrun.specs.shipped import PACKAGE
from nthrun.training.source import git_state, project_state


def code_state(programs: Iterable[str] = ("own:",)) -> dict[str, Any]:
    """What provenance says of the code: commit, difference and untracked files of nthrun, the same
    of the user's project where code of it runs, nthrun's version, and the hash of the versions of
    all that is installed.

    The first call decides, so it is made before training starts.

    Args:
        programs: "package.module:Class" of what runs.
    """
    own = any(":" in name and not name.startswith(f"{PACKAGE.name}.") for name in programs)
    project = os.environ.get(PROJECT, "")
    return {
        **git_state(),
        "nthrun": import_module(PACKAGE.name).__version__,
        DISTRIBUTIONS: distributions_hash(installed_distributions()),
        **({"project": dict(_project_state(project))} if own and project else {}),
    }


@cache
def _project_state(project: str) -> dict[str, str]:
    return project_state(Path(project))
