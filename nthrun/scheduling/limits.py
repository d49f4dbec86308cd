"""The cluster's limits: how large an array, how many jobs, and what no node could ever run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nthrun.errors import SlurmError
from nthrun.scheduling.slurm import Queue, ask, user_name
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.slurm_time import format_time, parse_time

MAX_ARRAY_SIZE = 1001
"""Slurm's own default, taken where it does not answer."""
NO_LIMIT = 2**63
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be submitted now.

    Attributes:
        array_tasks: tasks of one array at most.
        free_tasks: tasks that may still be queued; None is no known bound.
    """

    array_tasks: int
    free_tasks: int | None


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A kind of node in a partition."""

    partition: str
    cores: int
    memory_bytes: int
    gres: str
    seconds: float | None

    def lacks(self, cluster: ClusterSpec) -> str:
        """What a task wants and a node of this kind never has; "" if it has all."""
        if cluster.cores_per_task > self.cores:
            return f"{cluster.cores_per_task} cores (a node has {self.cores})"
        memory = cluster.memory_per_core_bytes
        if memory is not None and memory * cluster.cores_per_task > self.memory_bytes:
            wanted = memory * cluster.cores_per_task // MIB
            return f"{wanted} MB of memory (a node has {self.memory_bytes // MIB} MB)"
        if cluster.integer("gpus") > _num_gpus(self.gres, cluster.text("gpuType")):
            kind = f"{cluster.text('gpuType')} " if cluster.text("gpuType") else ""
            return f"{cluster.integer('gpus')} {kind}GPUs (a node has {self.gres})"
        wanted_time = cluster.time_seconds
        if self.seconds is not None and (wanted_time is None or wanted_time > self.seconds):
            time = "no time limit" if wanted_time is None else f"time {format_time(wanted_time)}"
            return f"{time} (allowed: up to {format_time(int(self.seconds))})"
        return ""


def read_limits(cluster: ClusterSpec, queue: Queue) -> Limits:
    """The limits for this user, from the cluster spec, and from Slurm where that is silent.

    Raises:
        SlurmError: Slurm does not answer.
    """
    array = cluster.integer("arrayLimit") or _max_array_size()
    submit = cluster.integer("submitLimit") or _submit_limit(cluster)
    free = None if submit is None else max(submit - queue.num_jobs, 0)
    return Limits(min(array, _max_array_size()), free)


def require_runnable(cluster: ClusterSpec) -> None:
    """Check that some node could run a task.

    Without this, Slurm accepts a task that no node has room or time for, and lets it wait for ever.

    Raises:
        SlurmError: none could; or the partition is unknown.
    """
    kinds = _node_kinds()
    partition = cluster.text("partition")
    wanted = set(partition.split(",")) if partition else set()
    names = sorted({kind.partition for kind in kinds})
    if not wanted <= set(names):
        raise SlurmError(
            f"{cluster.name}: partition {partition} is not on this cluster",
            f"allowed: {', '.join(names)}; or leave it out",
        )
    # Without a partition a site may choose one by what a task asks for, so that all count.
    problems = [k.lacks(cluster) for k in kinds if not wanted or k.partition in wanted]
    if problems and all(problems):
        where = f"partition {partition}" if partition else "any partition"
        raise SlurmError(
            f"{cluster.name}: a task would wait for ever: no node of {where} has "
            f"{' or '.join(dict.fromkeys(problems))}",
            "ask for less, or name another --partition",
        )


def _max_array_size() -> int:
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]), re.M)
    return int(match[1]) if match else MAX_ARRAY_SIZE


def _submit_limit(cluster: ClusterSpec) -> int | None:
    """The least of the limits on jobs submitted that accounting knows of; None without any."""
    show = ["sacctmgr", "--noheader", "--parsable2", "show"]
    account, qos = cluster.text("account"), cluster.text("qos")
    mine = [*show, "assoc", f"user={user_name()}", "format=MaxSubmitJobs,GrpSubmitJobs"]
    # Which account Slurm takes by default is not known here: the most generous one may be it.
    submit_limits = [
        max(_least([*mine, *([f"account={account}"] if account else [])]), default=None)
    ]
    if qos:
        limits = "format=MaxSubmitJobsPerUser,MaxSubmitJobsPerAccount,GrpSubmitJobs"
        submit_limits += _least([*show, "qos", qos, limits])
    least = min((number for number in submit_limits if number is not None), default=NO_LIMIT)
    return None if least == NO_LIMIT else least


def _least(command: list[str]) -> list[int]:
    """The least number of each row of a table of limits, `NO_LIMIT` of one that holds none; no row
    where there are no accounts."""
    try:
        lines = ask(command).splitlines()
    except SlurmError:
        return []
    rows = ([int(cell) for cell in line.split("|") if cell.strip().isdecimal()] for line in lines)
    return [min(row, default=NO_LIMIT) for row in rows]


def _node_kinds() -> list[NodeKind]:
    text = ask(["sinfo", "--all", "--noheader", "--format", "%P|%c|%m|%G|%l"])
    kinds = []
    for line in text.splitlines():
        partition, cores, memory, gres, time = [part.strip() for part in line.split("|")]
        kinds.append(
            NodeKind(
                partition.rstrip("*"),
                int(cores.rstrip("+")),
                int(memory.rstrip("+")) * MIB,
                gres,
                parse_time(time) if time != "infinite" else None,
            )
        )
    return kinds


def _num_gpus(gres: str, kind: str) -> int:
    """GPUs of a kind in a node's generic resources, such as `gpu:h100:4(S:0-1),shard:8`."""
    total = 0
    for name, number in re.findall(r"gpu(?::([^:,(]+))?:(\d+)", gres):
        if not kind or name == kind:
            total += int(number)
    return total
