"""Submitting a plan's arrays, through submitit, one submission of an experiment at a time.

submitit writes the batch script, calls sbatch, and on the node starts our function with its two
arguments, the plan's path and a task's number. Its result files are never written and its watcher
is never asked: what a task did is in the records and in its lease.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from nthrun.errors import Fault, SlurmError, SpecError, StorageError
from nthrun.records.durable_file import ensure_directory, open_in_place, storage_error
from nthrun.scheduling.plan import LOCK, Plan, task_cores
from nthrun.scheduling.slurm import cancel_named
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.project import PROJECT, module_folders
from nthrun.specs.slurm_time import format_time
from nthrun.terminal import is_plain

LOGS = "logs"
PATTERN_SIGNS = ("%", "\\")
PAUSE_SECONDS = 1.0
"""Time between two calls of sbatch, as clusters ask for."""
WARNING = "USR2"
HIDDEN = ("SBATCH_", "SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_")
"""Prefixes of variables that a job does not get from where it is submitted."""
CLUSTER_NAMES = (
    *("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_CLUSTER_NAME", "SLURM_JWT"),
)
"""Variables that say which cluster it is, and let a user in."""
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
REFUSALS = (
    ("Invalid job array specification", "the array is too large: give a smaller --arrayLimit"),
    (
        "MaxSubmit",
        "too many jobs are queued: wait for some to end, or give a smaller --submitLimit",
    ),
    ("GrpSubmit", "your group has too many jobs queued: wait for some to end"),
    ("Invalid account", "name an account you belong to with --account; `sshare -U` lists yours"),
    ("invalid partition", "leave --partition out, or name one that `sinfo` lists"),
    ("Invalid qos", "leave --qos out, or name one that `sacctmgr show qos` lists"),
    ("time limit", "give a shorter --time"),
    ("node configuration", "ask for fewer --cores, --gpus or less --memPerCpu"),
    ("Unable to contact", "the cluster is down; the same command can be given again later"),
)
Run = Callable[[str, int], Any]
"""The function of a task: called with the plan's path and the task's number on the node."""


def require_plain_paths(cluster: ClusterSpec, roots: Iterable[Path]) -> None:
    """Check that Slurm and submitit take paths as they stand.

    Both put ids in the place of such as `%j`, in folders too, and submitit knows no escape; Slurm
    drops a backslash, and then leaves every `%j` of the path as it is.

    Args:
        cluster: whose `output` may name another folder for logs.
        roots: directories of experiments, absolute.

    Raises:
        SlurmError: a path is a pattern.
    """
    for root in roots:
        if wrong := [sign for sign in PATTERN_SIGNS if sign in str(root)]:
            raise SlurmError(
                f"{root}: got a path with {wrong[0]}, which Slurm reads as a pattern, allowed: "
                f"directories without {' and '.join(PATTERN_SIGNS)}",
                "give another save dir, or start from another directory",
            )
    output = os.path.expandvars(cluster.text("output"))
    if "\\" in output or "%" in output.rpartition("/")[0]:
        raise SlurmError(
            f"{cluster.name}: output: got {output}, allowed: a folder without % signs, and no \\",
            "write % signs in the file's name only, as in logs/%x-%j.log",
        )


@contextlib.contextmanager
def scheduling_lock(root: Path) -> Iterator[None]:
    """Hold an experiment's lock; it ends with the process, whatever happens to it.

    Of two submissions at once the second then sees what the first has submitted. A plan that runs
    here without Slurm holds it until it ends.

    Where the file system has no locks, there is none.

    Raises:
        StorageError: another submission holds it, or the directory cannot be written.
    """
    path = root / LOCK
    try:
        ensure_directory(path.parent)
        file = FileIO(open_in_place(path), "a+")  # closed below, which lets the lock go
    except OSError as error:
        raise storage_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"{root}: another schedule.py is submitting or running here", "wait for it to end"
            ) from None
        except OSError:
            pass
        yield


class _Executor(SlurmExecutor):
    """An executor that can also show a script where there is no Slurm."""

    @classmethod
    def affinity(cls) -> int:
        return 2


def submit_array(plan: Plan, array: int, run: Run) -> str:
    """Submit one array of a plan.

    Returns:
        Slurm's id of the array.

    Raises:
        SpecError: a value cannot stand in the batch script.
        SlurmError: Slurm refuses; nothing of the array is left behind.
    """
    require_plain_scripts(plan)
    executor = _executor(plan, array)
    folder = logs_folder(plan, array)
    first, num_tasks = plan.arrays[array].first, plan.arrays[array].num_tasks
    numbers = list(range(first, first + num_tasks))
    try:
        # submitit repeats on stderr what it raises
        with contextlib.redirect_stderr(io.StringIO()), _without_own_settings():
            jobs = executor.map_array(run, [str(plan.path)] * num_tasks, numbers)
    except (FailedJobError, FailedSubmissionError) as error:
        with contextlib.suppress(SlurmError):  # where the answer was lost and not the job
            cancel_named(plan.job_name(array))
        shutil.rmtree(folder, ignore_errors=True)
        raise _refusal(plan.cluster, error) from error
    return str(jobs[0].job_id).partition("_")[0]


def script_of(plan: Plan, array: int) -> str:
    """The batch script that `submit_array` would submit; nothing is touched."""
    executor = _executor(plan, array)
    if plan.arrays[array].num_tasks > 1:
        executor.parameters["map_count"] = plan.arrays[array].num_tasks
    return str(executor._make_submission_file_text(executor._submitit_command_str, ""))


def require_plain_scripts(plan: Plan) -> None:
    """Check that no value begins a line of its own in a batch script of a plan.

    Behind `#SBATCH` no quotes help: what follows a newline is run.

    Raises:
        SpecError: one holds a control character.
    """
    for array in range(len(plan.arrays)):
        parameters = _parameters(plan, array)
        options = parameters.pop("additional_parameters")
        del parameters["setup"]  # the user's own lines
        paths = {
            "folder of logs": logs_folder(plan, array),
            "Python": " ".join(interpreter(plan.cluster)),
        }
        paths |= {"project": plan.project, "code": plan.code}
        for name, value in {**parameters, **options, **paths}.items():
            text = str(value)
            if not (is_plain(name) and is_plain(text) and _is_encodable(text)):
                problem = f"got {text!a}, allowed: text without control characters"
                raise SpecError([Fault("the batch script", name, problem, "rename it")])


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def logs_folder(plan: Plan, array: int) -> Path:
    """Where the script, the logs and submitit's files of an array are."""
    return plan.root / LOGS / f"{plan.name}-{array}"


def log_pattern(plan: Plan, array: int) -> Path:
    """Where the tasks of an array print, as sbatch's --output takes it.

    That is `output` of the cluster spec, a folder or a file pattern, each task made sure to have a
    file of its own; or beside the script.
    """
    own = "%A_%a" if plan.arrays[array].num_tasks > 1 else "%j"
    output = os.path.expandvars(plan.cluster.text("output"))
    path = Path(output).expanduser().absolute() if output else logs_folder(plan, array)
    if path == Path(os.devnull):
        return path
    if not output or not ("%" in path.name or path.suffix):
        return path / f"{own}.log"
    if not (re.search(r"%\d*[jJ]", path.name) or re.search(r"%\d*A.*%\d*a", path.name)):
        return path.with_name(f"{path.stem}-{own}{path.suffix}")
    return path


@contextlib.contextmanager
def _without_own_settings() -> Iterator[None]:
    """Hide the user's settings of sbatch, which would count instead of the plan's, and what a job
    that submits knows of itself, which the new job would take for its own."""
    names = [name for name in os.environ if name.startswith(HIDDEN) and name not in CLUSTER_NAMES]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def prune_own_files() -> None:
    """Delete what submitit and Slurm keep of the running task, which is done; with the last task
    goes the folder of its array."""
    folder = Path(os.environ["SUBMITIT_FOLDER"])
    JobEnvironment().paths.submitted_pickle.unlink(missing_ok=True)
    if log := own_log():
        Path(log).unlink(missing_ok=True)
    if not any(path.suffix in (".pkl", ".log") for path in folder.glob("*")):
        shutil.rmtree(folder, ignore_errors=True)


def own_log() -> str:
    """The file this task's output goes to; "" for a terminal or a pipe."""
    try:
        path = os.readlink("/proc/self/fd/1")
    except OSError:
        return ""
    return path if "SLURM_JOB_ID" in os.environ and Path(path).is_file() else ""


def own_job() -> str:
    """Slurm's id of the running task: `123_4` in an array; "" outside Slurm.

    The last element of an array has the array's own id as its raw id, so that alone would name
    the whole array.
    """
    array, element = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID", "")


def pause() -> None:
    """Wait between two submissions."""
    time.sleep(PAUSE_SECONDS)


def _executor(plan: Plan, array: int) -> _Executor:
    # `exec`: the batch shell becomes Python, so that a signal to the batch shell reaches it.
    python = f"exec {shlex.join(interpreter(plan.cluster))}"
    executor = _Executor(logs_folder(plan, array), python=python)
    executor.update_parameters(**_parameters(plan, array))
    return executor


def _parameters(plan: Plan, array: int) -> dict[str, Any]:
    """submitit's parameters; what it does not know goes into `additional_parameters`."""
    cluster = plan.cluster
    gpus, task = cluster.integer("gpus"), plan.tasks[plan.arrays[array].first]
    kind = f"{cluster.text('gpuType')}:" if cluster.text("gpuType") else ""
    number = plan.arrays[array].num_tasks
    chosen: dict[str, Any] = {
        "job_name": plan.job_name(array),
        "comment": str(plan.root),
        "account": cluster.text("account") or None,
        "partition": cluster.text("partition") or None,
        "qos": cluster.text("qos") or None,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": task_cores(cluster, task),
        "gres": f"gpu:{kind}{gpus}" if gpus else None,
        "mem_per_cpu": cluster.text("memPerCpu") or None,
        "exclusive": True if cluster.flag("wholeNode") else None,
        "mail_user": cluster.text("email") or None,
        "mail_type": ",".join(cluster.items("emailType")) or None,
        "array_parallelism": cluster.integer("parallel") or number,
        "setup": _setup(plan),
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": _additional(plan, array),
    }
    return {name: value for name, value in chosen.items() if value is not None or name == "wckey"}


def _additional(plan: Plan, array: int) -> dict[str, Any]:
    cluster = plan.cluster
    limit = cluster.time_seconds
    options: dict[str, Any] = {
        "time": "UNLIMITED" if limit is None else format_time(limit),
        "signal": f"B:{WARNING}@{cluster.integer('signalSeconds')}",
        "chdir": str([*plan.folders, plan.root][0]),
        "output": str(log_pattern(plan, array)),
        "requeue": True,
    }
    for option in cluster.items("sbatch"):
        name, _, value = option.removeprefix("--").partition("=")
        options[name] = value or True
    return options


def _setup(plan: Plan) -> list[str]:
    """Shell lines before Python: the cluster's, one thread a process, no early death.

    A warning that comes before Python has its handler would kill the task; its clock tells it the
    time anyway. Modules come from the snapshots before all else; PYTHONPATH is what the cluster's
    lines make it, and not what it was where the task was submitted.
    """
    threads = " ".join(f"{name}=1" for name in ONE_THREAD)
    quoted = shlex.quote(":".join(map(str, module_paths(plan)))) if plan.folders else ""
    return [
        f"trap '' {WARNING}",
        "unset PYTHONPATH",
        *plan.cluster.items("setup"),
        f"export {threads} PYTHONUNBUFFERED=1",
        *(f"export {name}={shlex.quote(value)}" for name, value in project_variables(plan).items()),
        *([f"export PYTHONPATH={quoted}${{PYTHONPATH:+:$PYTHONPATH}}"] if quoted else []),
    ]


def interpreter(cluster: ClusterSpec) -> list[str]:
    """The words that call Python in a task."""
    return [*cluster.items("prefix"), cluster.text("python") or sys.executable]


def module_paths(plan: Plan) -> list[Path]:
    """Where tasks of a plan look for modules first: in the snapshots."""
    project = plan.root / plan.project
    own = module_folders(project, project) if plan.project else []
    return [*own, *([plan.root / plan.code] if plan.code else [])]


def project_variables(plan: Plan) -> dict[str, str]:
    """The variables by which a task knows the project that its code is of."""
    return {PROJECT: str(plan.root / plan.project)} if plan.project else {}


def _refusal(cluster: ClusterSpec, error: Exception) -> SlurmError:
    said = " ".join(str(error).split())
    hints = (hint for sign, hint in REFUSALS if sign.lower() in said.lower())
    text = said.rpartition("sbatch: error: ")[2] or said
    return SlurmError(
        f"{cluster.name}: Slurm refuses the submission: {text[:300]}",
        next(hints, "nothing of this array was submitted; `sbatch --test-only` says more"),
    )
