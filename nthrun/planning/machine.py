"""What this machine offers, found without torch: memory, a C++ compiler, a GPU, its processor.

Memory is what this process and the workers beside it may use.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

COMPILERS = ("g++", "c++", "clang++")
GPU_DEVICES = "nvidia[0-9]*"
MIB = 2**20


def compiler(environment: Mapping[str, str] = os.environ) -> str | None:
    """Path of the C++ compiler: $CXX, or the first of `COMPILERS` on $PATH; None without one."""
    return next(iter(compilers(environment)), None)


def compilers(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Paths of the C++ compilers, best first: $CXX alone, or those of `COMPILERS` on $PATH.

    A $CXX that is not there is not replaced by another compiler, which would give other bits.
    """
    chosen = environment.get("CXX", "")
    names = (chosen,) if chosen else COMPILERS
    paths = (shutil.which(name, path=environment.get("PATH")) for name in names)
    return [path for path in paths if path]


def visible_gpu(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> bool:
    """Whether this process may use an NVIDIA GPU, as far as the system tells.

    $CUDA_VISIBLE_DEVICES may hide them all; else there is one if its device file is there or
    nvidia-smi lists it. Whether the installed torch can use it is not known.
    """
    if environment.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    return any(devices.glob(GPU_DEVICES)) or bool(free_gpu_bytes(environment))


def free_gpu_bytes(environment: Mapping[str, str] = os.environ) -> list[int]:
    """Free memory of each GPU this process may use; empty where nvidia-smi cannot tell.

    Without torch there is no other way to ask, so that an empty list gives no bound.
    """
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        return []
    command = [program, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    if names := environment.get("CUDA_VISIBLE_DEVICES", "").strip():
        command.append(f"--id={names}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return [int(line) * MIB for line in done.stdout.splitlines() if line.strip()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


@cache
def cpu_model() -> str:
    """The processor's name, with its vector extensions where the system tells them."""
    facts = _cpu_facts()
    flags = facts.get("flags", "").split()
    vectors = [name for name in ("avx2", "fma", "avx512f") if name in flags]
    name = facts.get("model name", platform.processor() or platform.machine())
    return " ".join([name, *_family(facts), *vectors])


def cpu_flags() -> str:
    """Everything the processor says it can do; "" where the system does not tell."""
    return _cpu_facts().get("flags", "")


@cache
def _cpu_facts() -> dict[str, str]:
    """What the system says of its first processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    return facts


def _family(facts: dict[str, str]) -> list[str]:
    return [f"family {facts['cpu family']} model {facts['model']}"] if "cpu family" in facts else []


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
