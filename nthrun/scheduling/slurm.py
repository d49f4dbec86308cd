"""Slurm's commands, called and read: the queue, the accounting, the limits."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nthrun.errors import SlurmError
from nthrun.scheduling.plan import parse_job_name

ANSWER_SECONDS = 60.0
BRIEF_SECONDS = 10.0
"""Time to wait for an answer where a task's time is running out."""
QUEUE_FIELDS = "%F|%K|%T|%r|%N|%j|%k"
"""Fields of squeue; the name and the comment come last, as they may hold anything."""
CONFIGURATIONS = (
    "/etc/slurm/slurm.conf",
    "/etc/slurm-llnl/slurm.conf",
    "/run/slurm/conf/slurm.conf",
)
"""Where Slurm's commands look for the cluster's configuration, but for $SLURM_CONF."""
RUN_BY_SLURMD = "SLURMD_NODENAME"
"""A variable of what runs on the node of a job."""
PROCESSES = Path("/proc")
JOB_ID = re.compile(r"[0-9]+(_[0-9]+)?")
OWN_SETTINGS = ("SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_")
"""Prefixes of variables by which a user filters or shapes what the commands print."""
ELEMENTS = re.compile(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]|(\d+)_(\d+)|(\d+)")

Place = tuple[str, int, int]
"""Plan name, array, element: what identifies a job of ours, whatever its id."""
TRY_LATER = "the same command can be given again when the cluster is up"


@dataclass(frozen=True, slots=True)
class Job:
    """One array element, or a job by itself.

    Attributes:
        id: as `scancel` takes it: `123_4` or `123`.
        state: Slurm's word, such as "PENDING" or "NODE_FAIL".
        reason: why it waits, or its exit code.
        node: where it runs or ran.
        origin: its comment, which is the directory it was submitted for; "" where nothing tells.
    """

    id: str
    state: str
    reason: str
    node: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """What Slurm has in its queue of this user's.

    Attributes:
        ours: the jobs of our plans.
        num_jobs: all jobs, array elements counted one by one.
    """

    ours: Mapping[Place, Job]
    num_jobs: int


def has_slurm() -> bool:
    """Whether Slurm's commands are on this machine."""
    return all(shutil.which(command) for command in ("sbatch", "squeue", "srun"))


def is_login_node() -> bool:
    """Whether this is a machine of a cluster's on which jobs are submitted, and not run.

    Slurm's commands are here, and so is the file that says which cluster they speak to, but no
    `slurmd`, which runs jobs, has begun this process or runs beside it. (A shell that salloc opens
    on a login node has the id of a job.)
    """
    places = (os.environ.get("SLURM_CONF", ""), *CONFIGURATIONS)
    if RUN_BY_SLURMD in os.environ or not has_slurm() or not any(map(os.path.isfile, places)):
        return False
    return not _runs_slurmd()


def _runs_slurmd() -> bool:
    """Whether this machine is seen to run the jobs of a cluster."""
    for name in PROCESSES.glob("[0-9]*/comm"):
        try:
            if name.read_bytes().strip() == b"slurmd":
                return True
        except OSError:  # it has ended, or is not for this user's eyes
            continue
    return False


def user_name() -> str:
    """Whose jobs these are: the process's user, whatever $LOGNAME and $USER say; the user's number
    where the system knows no name, as in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def read_queue() -> Queue:
    """What is queued or running.

    Raises:
        SlurmError: Slurm is not here or does not answer; then nothing is known.
    """
    command = ["squeue", "--noheader", "--array", "--user", user_name()]
    lines = ask([*command, "--format", QUEUE_FIELDS]).splitlines()
    rows = [parts for line in lines if len(parts := f"{line}|".split("|", 6)) == 7]
    ours: dict[Place, Job] = {}
    for row in rows:
        array_id, element, state, reason, node, name, comment = [part.strip() for part in row]
        if place := _place(name, element if element.isdecimal() else "0"):
            job_id = f"{array_id}_{element}" if element.isdecimal() else array_id
            ours[place] = Job(job_id, state, reason, node, comment.rstrip("|"))
    return Queue(ours, len(rows))


def read_accounting(names: Collection[str], since: str) -> dict[Place, Job]:
    """How the jobs of some names ended, where the cluster keeps accounts; else nothing.

    Args:
        names: of jobs.
        since: the first day, YYYY-MM-DD.
    """
    if not names:
        return {}
    fields = "JobID,JobName%80,State,ExitCode,NodeList"
    command = ["sacct", "--noheader", "--parsable2", "--allocations", f"--name={','.join(names)}"]
    try:
        lines = ask([*command, f"--starttime={since}", f"--format={fields}"]).splitlines()
    except SlurmError:
        return {}
    ranges: dict[Place, Job] = {}
    single: dict[Place, Job] = {}
    for line in lines:
        job_id, name, state, exit_code, node = line.split("|")
        elements = list(_elements(job_id))
        # A cancelled remainder goes on naming elements that have since run: their own rows win.
        rows = ranges if len(elements) > 1 or "[" in job_id else single
        for own_id, element in elements:
            if place := _place(name, element):
                rows[place] = Job(own_id, state.split(" ")[0], f"exit code {exit_code}", node)
    return ranges | single


def cancel_jobs(job_ids: Sequence[str]) -> None:
    """End jobs, queued or running.

    Raises:
        SlurmError: Slurm does not answer or refuses.
    """
    known = [job_id for job_id in job_ids if JOB_ID.fullmatch(job_id)]
    for first in range(0, len(known), 500):
        ask(["scancel", *known[first : first + 500]])


def cancel_named(name: str) -> None:
    """End the jobs of a name.

    Raises:
        SlurmError: Slurm does not answer or refuses.
    """
    ask(["scancel", f"--user={user_name()}", f"--name={name}"])


def requeue(job_id: str) -> None:
    """Have a running job ended and queued again.

    Raises:
        SlurmError: Slurm does not answer or refuses.
    """
    ask(["scontrol", "requeue", job_id])


def seconds_left(job_id: str) -> float | None:
    """Until Slurm ends a running job; None where nobody tells.

    Its end may be moved while it runs, by an administrator or a preemption, which only the end
    itself shows and not what squeue calls the time left.
    """
    try:
        text = _of_job(job_id, "%e")
        return max(datetime.fromisoformat(text).timestamp() - time.time(), 0.0)
    except (SlurmError, ValueError):
        return None


def job_state(job_id: str) -> str:
    """Slurm's word for a job; "" where it does not know it or does not answer."""
    try:
        return _of_job(job_id, "%T")
    except SlurmError:
        return ""


def _of_job(job_id: str, field: str) -> str:
    """One field of squeue about one job."""
    command = ["squeue", "--noheader", "--jobs", job_id, "--format", field]
    return ask(command, BRIEF_SECONDS).strip()


def ask(command: Sequence[str], patience_seconds: float | None = None) -> str:
    """What a command of Slurm prints.

    Args:
        command: to run.
        patience_seconds: after which it counts as not answering; None is `ANSWER_SECONDS`.

    Raises:
        SlurmError: it is not here, does not answer in time, or refuses.
    """
    settings = {k: v for k, v in os.environ.items() if not k.startswith(OWN_SETTINGS)}
    settings |= {"SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "standard"}  # lists in full
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=patience_seconds or ANSWER_SECONDS,
            check=False,
            env=settings,
        )
    except FileNotFoundError:
        raise SlurmError(
            f"no Slurm on this machine: {command[0]} was not found",
            "log in to the cluster first, or give clusters/local.json to run here",
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise SlurmError(f"Slurm does not answer: {command[0]}: {error}", TRY_LATER) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise SlurmError(f"Slurm does not answer: {said[:300]}", TRY_LATER)
    return done.stdout


def _place(name: str, element: str) -> Place | None:
    parsed = parse_job_name(name)
    return (*parsed, int(element)) if parsed else None


def _elements(job_id: str) -> Iterator[tuple[str, str]]:
    """(own id, element) of each element an accounting row is about: `12_[3-5,9%2]`, `12_3`, `12`.

    A job by itself is element 0.
    """
    match = ELEMENTS.fullmatch(job_id)
    if match is None:
        return
    array_id, elements, one_id, one, lone = match.groups()
    if lone:
        yield lone, "0"
    elif one:
        yield f"{one_id}_{one}", one
    else:
        for part in elements.split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                yield f"{array_id}_{number}", str(number)
