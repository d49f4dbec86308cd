"""What this machine offers, found without torch: a C++ compiler, a GPU and its free memory."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

COMPILERS = ("g++", "c++", "clang++")
GPU_DEVICES = "nvidia[0-9]*"
MIB = 2**20


def compiler(environment: Mapping[str, str] = os.environ) -> str | None:
    """Path of the C++ compiler: $CXX, or the first of `COMPILERS` on $PATH; None without one.

    A $CXX that is not there is not replaced by another compiler, which would give other bits.
    """
    chosen = environment.get("CXX", "")
    names = (chosen,) if chosen else COMPILERS
    paths = (shutil.which(name, path=environment.get("PATH")) for name in names)
    return next((path for path in paths if path), None)


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
    found = _cpu_facts()
    flags = found.get("flags", "").split()
    vectors = [name for name in ("avx2", "fma", "avx512f") if name in flags]
    name = found.get("model name", platform.processor() or platform.machine())
    return " ".join([name, *_family(found), *vectors])


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
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _family(found: dict[str, str]) -> list[str]:
    return [f"family {found['cpu family']} model {found['model']}"] if "cpu family" in found else []
