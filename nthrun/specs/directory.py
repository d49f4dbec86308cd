"""Where an experiment lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

RESULTS = Path("results")


def experiment_directory(
    save_dir: str, env_name: str, agent_name: str, policies: Sequence[str]
) -> Path:
    """`<save-dir>/<env_name>_<agent_name>[_<policy types joined by ->]`.

    A relative save dir lives under `results/`; a leading `results/` is not doubled. Of a name
    `package.module:Class` the class remains, and a slash becomes a hyphen.
    """
    names = [env_name, agent_name, *(["-".join(policies)] if policies else [])]
    return save_directory(save_dir) / "_".join(map(_as_folder, names))


def _as_folder(name: str) -> str:
    return name.rpartition(":")[2].replace("/", "-")


def save_directory(save_dir: str) -> Path:
    """Where a save dir is: a relative one lies under `results/`, which is not doubled."""
    base = Path(save_dir)
    if not base.is_absolute() and base.parts[:1] != RESULTS.parts:
        return RESULTS / base
    return base
