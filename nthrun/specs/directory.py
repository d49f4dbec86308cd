"""Where an experiment lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

RESULTS = Path("results")


def experiment_directory(
    save_dir: str, env_name: str, agent_name: str, policies: Sequence[str]
) -> Path:
    """`<save-dir>/<env_name>_<agent_name>[_<policy types joined by ->]`.

    A relative save dir lives under `results/`; a leading `results/` is not doubled.
    """
    base = Path(save_dir)
    if not base.is_absolute() and base.parts[:1] != RESULTS.parts:
        base = RESULTS / base
    return base / "_".join([env_name, agent_name, *(["-".join(policies)] if policies else [])])
