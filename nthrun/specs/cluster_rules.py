"""What the fields of a cluster spec must satisfy together, and what `sbatch` must not repeat."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nthrun.specs.field import Value, shown
from nthrun.specs.slurm_time import format_time, parse_time

SIGNAL_MARGIN_SECONDS = 60
"""Slurm may send the signal before a task's end this much early."""

OPTION_TEXT = re.compile(r"--([a-z][a-z-]*)(=.*)?")
RESERVED_OPTIONS = {
    "account": "account",
    "array": "arrayLimit and parallel",
    "chdir": "",
    "clusters": "",
    "comment": "",
    "cpus-per-task": "cores",
    "error": "output, which holds both",
    "exclusive": "wholeNode",
    "gpus": "gpus",
    "gpus-per-node": "gpus and gpuType",
    "gpus-per-task": "gpus and gpuType",
    "gres": "gpus and gpuType",
    "job-name": "",
    "mail-type": "emailType",
    "mail-user": "email",
    "mem": "memPerCpu",
    "mem-per-cpu": "memPerCpu",
    "mem-per-gpu": "memPerCpu",
    "no-requeue": "",
    "nodes": "nodes",
    "ntasks": "cores",
    "ntasks-per-node": "cores and nodes",
    "open-mode": "",
    "output": "output",
    "parsable": "",
    "partition": "partition",
    "qos": "qos",
    "requeue": "",
    "signal": "signalSeconds",
    "time": "time",
    "time-min": "time",
    "wait": "",
    "wrap": "setup",
}
"""Option of sbatch that nthrun sets -> the field to use instead; "" where there is none."""

Finding = tuple[str, str]
"""A problem and its hint."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A relation between fields.

    Attributes:
        keys: the fields it reads; the first is the one at fault unless an option gave another.
        check: the values of `keys` -> what is wrong, if anything.
        everywhere: whether it also holds without Slurm.
    """

    keys: tuple[str, ...]
    check: Callable[..., Iterator[Finding]]
    everywhere: bool = False


def broken_rules(values: Mapping[str, Value]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(keys, problem, hint) of every rule that is broken; a field at fault has no value."""
    is_local = values.get("scheduler") == "local"
    for rule in RULES:
        if (rule.everywhere or not is_local) and all(key in values for key in rule.keys):
            for problem, hint in rule.check(*(values[key] for key in rule.keys)):
                yield rule.keys, problem, hint


def _some_cores(cores: int, scheduler: str) -> Iterator[Finding]:
    if cores == 0 and scheduler != "local":
        yield "got 0 cores, allowed: >= 1", "0 is every core of this machine, scheduler local only"


def _even_split(cores: int, nodes: int) -> Iterator[Finding]:
    if cores % nodes:
        below, above = cores // nodes * nodes, -(-cores // nodes) * nodes
        hint = f"{below} or {above} cores" if below else f"{above} cores"
        yield f"got {cores} cores over {nodes} nodes, allowed: as many on each node", hint


def _node_size(cores: int, nodes: int, per_node: int, whole: bool) -> Iterator[Finding]:
    if not per_node or cores % nodes:
        return
    got = f"got {cores} cores over {nodes} node{'s'[: nodes > 1]} of {per_node} cores"
    if whole and cores != nodes * per_node:
        hint = f"{nodes * per_node} cores, or wholeNode false"
        yield f"{got}, allowed with wholeNode: all of them", hint
    elif cores > nodes * per_node:
        hint = f"at most {nodes * per_node} cores, or more nodes"
        yield f"{got}, allowed: as many as there are", hint


def _known_node(per_node: int, whole: bool) -> Iterator[Finding]:
    if whole and not per_node:
        yield "got no coresPerNode, needed with wholeNode", "the number of cores of one node"


def _typed_gpus(gpu_type: str, gpus: int) -> Iterator[Finding]:
    if gpu_type and not gpus:
        yield f"got gpuType {shown(gpu_type)} without gpus", "give gpus, such as 1"


def _shared_gpus(packs_per_gpu: int, gpus: int) -> Iterator[Finding]:
    if packs_per_gpu > 1 and not gpus:
        yield f"got packsPerGpu {packs_per_gpu} without gpus", "give gpus, such as 1"


def _time_to_save(time: str, signal_seconds: int) -> Iterator[Finding]:
    seconds = parse_time(time)
    least = signal_seconds + SIGNAL_MARGIN_SECONDS
    if seconds is None or seconds > least:
        return
    below = seconds - SIGNAL_MARGIN_SECONDS
    smaller = f", or signalSeconds below {below}" if below > 1 else ""
    problem = (
        f"got {shown(time)}, which is {format_time(seconds)}, allowed: more than "
        f"{SIGNAL_MARGIN_SECONDS} s + signalSeconds = {format_time(least)}"
    )
    yield problem, f"give more time{smaller}"


def _folders(output: str) -> Iterator[Finding]:
    if "%" in output.rpartition("/")[0]:
        hint = "write % signs in the file's name only, as in logs/%x-%j.log"
        yield f"got {shown(output)}, allowed: a folder without % signs", hint


def _addresses(email: str) -> Iterator[Finding]:
    if email and "@" not in email:
        yield f"got {shown(email)}, allowed: an address with @", ""


def _addressed(email_type: tuple[str, ...], email: str) -> Iterator[Finding]:
    if email_type and not email:
        yield (
            f"got emailType {', '.join(email_type)} without email",
            "give email, or drop emailType",
        )


def _options(options: tuple[Any, ...]) -> Iterator[Finding]:
    for option in options:
        match = OPTION_TEXT.fullmatch(option)
        if match is None:
            hint = 'such as "--constraint=genoa"'
            yield f"got {shown(option)}, allowed: --name or --name=value", hint
            continue
        # sbatch takes an option's beginning for the option: --arr is --array.
        for name in sorted(name for name in RESERVED_OPTIONS if name.startswith(match[1]))[:1]:
            field = RESERVED_OPTIONS[name]
            hint = f"use {field}" if field else "leave it out"
            yield f"got {shown(option)}, but nthrun sets --{name}", hint


RULES = (
    Rule(("cores", "scheduler"), _some_cores),
    Rule(("cores", "nodes"), _even_split, everywhere=True),
    Rule(("cores", "nodes", "coresPerNode", "wholeNode"), _node_size),
    Rule(("coresPerNode", "wholeNode"), _known_node),
    Rule(("gpuType", "gpus"), _typed_gpus),
    Rule(("packsPerGpu", "gpus"), _shared_gpus, everywhere=True),
    Rule(("time", "signalSeconds"), _time_to_save),
    Rule(("output",), _folders),
    Rule(("email",), _addresses),
    Rule(("emailType", "email"), _addressed),
    Rule(("sbatch",), _options),
)
