"""Memory: how much this process and the workers beside it may use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

MIB = 2**20
ROOT = Path("/")
PAGE_CACHE = ("inactive_file", "total_inactive_file")
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def host_memory(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> int | None:
    """Bytes of the host's memory that are left to this job; None where nothing tells.

    The smallest of what the kernel calls available, what each control group above this process
    leaves of its limit (a Slurm job's is normally the one that binds), and what Slurm grants.

    Args:
        root: the file system that has /proc and /sys.
        environment: of the process.
    """
    bounds = (*_available(root), *_control_groups(root), *_slurm(environment))
    return min(bounds, default=None)


def readable(size: float) -> str:
    """A number of bytes to three digits, 1 kB being 1000 bytes."""
    for unit in UNITS:
        if size < 999.5 or unit == UNITS[-1]:
            break
        size /= 1000
    return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"


def _available(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc" / "meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _control_groups(root: Path) -> Iterator[int]:
    """What is left in this process's control groups, of version 1 and 2, and in their parents.

    Cached pages of files count as left: the kernel drops them when memory is wanted.
    """
    mount = root / "sys" / "fs" / "cgroup"
    for line in _lines(root / "proc" / "self" / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            names, top = ("memory.limit_in_bytes", "memory.usage_in_bytes"), mount / "memory"
        elif number == "0":
            names, top = ("memory.max", "memory.current"), mount
        else:
            continue
        group = top / path.strip("/")
        for place in (group, *group.parents):
            yield from _left(place, *names)
            if place == top:
                break


def _left(group: Path, limit_file: str, usage_file: str) -> Iterator[int]:
    limit, usage = _number(group / limit_file), _number(group / usage_file)
    if limit is None or usage is None:
        return
    pairs = (line.partition(" ") for line in _lines(group / "memory.stat"))
    cached = max((int(value) for name, _, value in pairs if name in PAGE_CACHE), default=0)
    yield max(limit - max(usage - cached, 0), 0)


def _slurm(environment: Mapping[str, str]) -> Iterator[int]:
    """What Slurm grants the job on this node; 0 there means the whole node, which is no bound."""
    node = environment.get("SLURM_MEM_PER_NODE", "")
    if node.isdecimal() and int(node):
        yield int(node) * MIB
    each, cpus = (environment.get(f"SLURM_{n}", "") for n in ("MEM_PER_CPU", "CPUS_ON_NODE"))
    if each.isdecimal() and cpus.isdecimal() and int(each) and int(cpus):
        yield int(each) * int(cpus) * MIB


def _number(path: Path) -> int | None:
    """The number a file holds; None without one ("max" is no limit)."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
