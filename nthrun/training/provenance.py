"""Provenance: with what and where a record was made."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from nthrun.compiler.library import compiler_version
from nthrun.planning.machine import cpu_model

PACKAGE = Path(__file__).resolve().parents[1]
CODE = ("agents", "compiler", "environments", "planning", "specs", "training")
UNKNOWN = "unknown"
PACKAGES = ("torch", "numpy", "h5py", "gymnasium")
SLURM_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "SLURMD_NODENAME",
    "SLURM_CLUSTER_NAME",
)


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a record is made with."""
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in PACKAGES}


@cache
def code_hash() -> str:
    """SHA-256 over the source files that decide a run's numbers; a checkpoint keeps to it."""
    digest = hashlib.sha256()
    files = (path for part in CODE for path in (PACKAGE / part).rglob("*.[ph]*"))
    for path in sorted(path for path in files if path.suffix in (".py", ".hpp")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def git_state() -> dict[str, str]:
    """Commit, uncommitted difference and untracked files of the checkout nthrun runs from.

    Each is "" outside a checkout, and UNKNOWN where git cannot tell. The first call decides, so
    it is made before training starts: files edited later are not what runs.
    """
    asked = {
        "git_commit": ("rev-parse", "HEAD"),
        "git_diff": ("diff", "HEAD"),
        "git_untracked": ("ls-files", "--others", "--exclude-standard"),
    }
    if not (PACKAGE.parent / ".git").exists():
        return dict.fromkeys(asked, "")
    return {name: _git(*arguments).strip() for name, arguments in asked.items()}


def attempt(step: int) -> dict[str, Any]:
    """The start of an attempt at a run: the step it began at, when and where."""
    slurm = {name: os.environ[name] for name in SLURM_VARIABLES if name in os.environ}
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"step": step, "started": started, "host": platform.node(), "slurm": slurm}


def comparable(device: str, backend: str, threads: int) -> dict[str, Any]:
    """What two attempts must share for their bits to be equal."""
    processor = cpu_model() if device == "cpu" else _gpu_model()
    native = device == "cpu" and backend == "compile"
    return {
        "backend": backend,
        "compiler": compiler_version() if native else "",
        "device": device,
        "threads": threads,
        "processor": processor,
        "torch": versions()["torch"],
        "numpy": versions()["numpy"],
    }


def provenance(device: str, backend: str, threads: int, pack_width: int) -> dict[str, Any]:
    """Everything but the attempts."""
    return comparable(device, backend, threads) | {
        **git_state(),
        "versions": versions(),
        "code": code_hash(),
        "host": platform.node(),
        "cpu": cpu_model(),
        "pack_width": pack_width,
        "command_line": sys.argv,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _gpu_model() -> str:
    return str(torch.cuda.get_device_name())


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return done.stdout.decode(errors="replace") if done.returncode == 0 else UNKNOWN
