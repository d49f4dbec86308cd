"""Submitting a plan's arrays to Slurm, one after the other."""

from __future__ import annotations

from nthrun.commands.schedule_tables import place_of
from nthrun.commands.slurm_entry import run_task
from nthrun.errors import SlurmError, StorageError
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.scheduling.plan import Plan, write_plan
from nthrun.scheduling.submission import log_pattern, pause, submit_array


def submit_arrays(plan: Plan) -> None:
    """Write a plan, then submit its arrays.

    Raises:
        SlurmError: Slurm refuses one; those before it stay submitted.
    """
    write_plan(plan)
    for array, part in enumerate(plan.arrays):
        if array:
            pause()
        try:
            job = _submit_array(plan, array)
        except (SlurmError, StorageError) as error:
            if array == 0:
                plan.path.unlink(missing_ok=True)
            submitted = sum(a.num_tasks for a in plan.arrays[:array])
            raise type(error)(
                f"{error.message} ({submitted} of {len(plan.tasks)} tasks were submitted before)",
                error.hint,
            ) from error
        tasks = f"{part.num_tasks} task{'s' * (part.num_tasks != 1)}"
        print(f"{place_of(plan.root)}: submitted job {job}: {tasks}", flush=True)


def _submit_array(plan: Plan, array: int) -> str:
    """Make room for an array's logs and submit it; returns its job.

    Raises:
        StorageError: something cannot be written.
        SlurmError: Slurm refuses.
    """
    folder = log_pattern(plan, array).parent
    try:
        ensure_directory(folder)
        return submit_array(plan, array, run_task)
    except (SlurmError, StorageError):
        raise
    except OSError as error:
        raise storage_error(folder, error) from error
