"""Cluster files of PyExpUtils, and of the older tool that schedules by it, as cluster specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nthrun.specs.field import shown

RENAMED = {"mem_per_core": "memPerCpu", "log_path": "output"}
CORES, NODES, SERIAL, IN_A_ROW = "cores", "nodes", "tasksPerNode", "sequential"
TYPES = ("single_node", "multi_node")
SCHEDULERS = ("slurm", "local")
MEBIBYTES = 1024


@dataclass(frozen=True, slots=True)
class ClusterReading:
    """What a cluster file stands for.

    Attributes:
        values: field -> value, with our keys.
        notes: what was passed over and what was renamed, a line each.
        faults: (key, problem, hint) of what cannot be carried over.
    """

    values: dict[str, Any]
    notes: tuple[str, ...] = ()
    faults: tuple[tuple[str, str, str], ...] = ()


def read_older_cluster(raw: Mapping[str, Any]) -> ClusterReading:
    """The cluster spec that a file of either tool stands for.

    Args:
        raw: the file's content, not checked yet.
    """
    values = dict(raw)
    renamed = [*_cores(values), *_renamed(values)]
    passed, faults = [], []
    kind = values.pop("type", None)
    if kind in TYPES:
        passed.append(f"type {kind} (nodes says over how many the cores are spread)")
    elif kind in SCHEDULERS and values.get("scheduler", kind) == kind:
        values["scheduler"] = kind
        renamed.append(f"type {kind} as scheduler {kind}")
    elif "type" in raw:
        problem = f"got {shown(kind)}, allowed: {', '.join(TYPES)}"
        faults.append(("type", problem, "leave it out: scheduler says what runs the tasks"))
    threads = values.pop("threads_per_task", 1)
    if threads != 1:
        problem = f"got {shown(threads)}, allowed: 1, as a run takes one core"
        faults.append(("threads_per_task", problem, "give as many cores as runs at once"))
    elif "threads_per_task" in raw:
        passed.append("threads_per_task 1 (a run takes one core)")
    if "error" in values and values["error"] == values.get("output"):
        del values["error"]
        passed.append("error (output holds both stdout and stderr)")
    notes = [f"passed over: {'; '.join(passed)}"] if passed else []
    notes += [f"read as nthrun's own: {'; '.join(renamed)}"] if renamed else []
    return ClusterReading(values, tuple(notes), tuple(faults))


def _cores(values: dict[str, Any]) -> list[str]:
    """Read what early versions called a node, a core, and how many runs it takes in a row."""
    if SERIAL not in values or IN_A_ROW in values:
        return []
    said = [f"{SERIAL} as {IN_A_ROW}"]
    values[IN_A_ROW] = values.pop(SERIAL)
    if NODES in values and CORES not in values:
        values[CORES] = values.pop(NODES)
        said.append(f"{NODES}, of one core each, as {CORES}")
    return said


def _renamed(values: dict[str, Any]) -> list[str]:
    """Give keys our names."""
    said = []
    for there, here in RENAMED.items():
        if there in values and here not in values:
            value = values.pop(there)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            in_gigabytes = there == "mem_per_core" and is_number
            values[here] = f"{int(value * MEBIBYTES)}M" if in_gigabytes else value
            said.append(f"{there} as {here}" + f" {values[here]}" * in_gigabytes)
    return said
