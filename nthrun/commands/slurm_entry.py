"""The entry that Slurm starts on a node; importing it does not import torch."""

from __future__ import annotations

from typing import NoReturn


def run_task(plan_path: str, number: int) -> NoReturn:
    """Do a task of a plan within a job of Slurm, and exit.

    Args:
        plan_path: file of the plan.
        number: of the task.
    """
    from nthrun.commands.slurm_task import run_task_of_slurm  # noqa: PLC0415 - imports h5py

    run_task_of_slurm(plan_path, number)
