"""Attempts: when and where a process began to train a run; known without torch."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any

SLURM_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "SLURMD_NODENAME",
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_NAME",
)
PLAN_VARIABLES = ("NTHRUN_PLAN", "NTHRUN_TASK", "NTHRUN_ATTEMPT")
"""Variables of the processes of a task: the plan's name, the task's number, the attempt's token."""


def attempt(step: int) -> dict[str, Any]:
    """The start of an attempt at a run: the step it began at, when and where."""
    slurm = {name: os.environ[name] for name in SLURM_VARIABLES if name in os.environ}
    plan = {name: os.environ[name] for name in PLAN_VARIABLES if name in os.environ}
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"step": step, "started": started, "host": platform.node(), "slurm": slurm, "plan": plan}
