"""Provenance: with what and where a record was made."""

from __future__ import annotations

import contextlib
import platform
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import torch

from nthrun.compiler.denormals import can_flush
from nthrun.compiler.library import compiler_version
from nthrun.planning.machine import cpu_model
from nthrun.specs.shipped import PACKAGE
from nthrun.training.code_state import code_state
from nthrun.training.comparability import DENORMALS, NUMBERS, VERSION
from nthrun.training.comparability import PACKAGES as ENVIRONMENT_PACKAGES
from nthrun.training.source import code_hash

PACKAGES = ("torch", "numpy", "h5py", "gymnasium")
HOST_PACKAGES = ("gymnasium", "mujoco", "dm_control", "MinAtar")
"""What the numbers of an environment on the host may come from."""
FLUSHED, KEPT = "flushed to zero", "as the processor has them"
"""What steps do with denormal numbers: not every processor can take them for zero."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The setup that a process trains with.

    Attributes:
        device, backend, threads: as the manifest has them.
        programs: see `code_hash`.
        on_host: whether the environment steps on the host.
        packages: names of the installed distributions that the environment is from, beside those
            of `HOST_PACKAGES`.
    """

    device: str
    backend: str
    threads: int
    programs: tuple[str, ...]
    on_host: bool
    packages: tuple[str, ...] = ()

    @property
    def native(self) -> bool:
        """Whether steps are compiled here, not by torch."""
        return self.device == "cpu" and self.backend == "compile"

    @property
    def code(self) -> str:
        """The hash of the code that trains."""
        return code_hash(self.programs, self.native)


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a record is made with."""
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in PACKAGES}


@cache
def host_versions() -> dict[str, str]:
    """Versions of those packages of `HOST_PACKAGES` that are installed."""
    installed = {}
    for name in HOST_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def comparable(setup: Setup) -> dict[str, Any]:
    """What two attempts must share for their bits to be equal."""
    processor = cpu_model() if setup.device == "cpu" else _gpu_model()
    shared = {
        "backend": setup.backend,
        "compiler": compiler_version() if setup.native else "",
        "device": setup.device,
        "threads": setup.threads,
        "processor": processor,
        VERSION: NUMBERS,
        DENORMALS: FLUSHED if setup.device == "cpu" and can_flush() else KEPT,
        "torch": versions()["torch"],
        "numpy": versions()["numpy"],
    }
    if setup.packages:
        shared[ENVIRONMENT_PACKAGES] = {name: metadata.version(name) for name in setup.packages}
    return shared | (host_versions() if setup.on_host else {})


def environment_packages(programs: Iterable[str]) -> tuple[str, ...]:
    """The installed distributions that an environment is from, but for nthrun and `HOST_PACKAGES`.

    Args:
        programs: of the environment: "package.module:Class", or names in Gymnasium's registry.
    """
    modules = {name.partition(":")[0] for name in programs if ":" in name}
    for name in programs:
        entry = _gymnasium_entry(name)
        modules |= {entry} if entry else set()
    tops = {module.partition(".")[0] for module in modules} - {PACKAGE.name, *HOST_PACKAGES}
    if not tops:
        return ()
    by_module = metadata.packages_distributions()
    found = {name for top in tops for name in by_module.get(top, ())}
    return tuple(sorted(found - {*HOST_PACKAGES, PACKAGE.name}))


def _gymnasium_entry(name: str) -> str:
    """The module of an environment that Gymnasium knows by a name; "" for any other."""
    gymnasium = sys.modules.get("gymnasium")
    known = gymnasium.registry.get(name.rpartition(":")[2]) if gymnasium is not None else None
    entry = getattr(known, "entry_point", None)
    if callable(entry):
        return str(entry.__module__)
    return str(entry or "").partition(":")[0]


def provenance(setup: Setup, pack_width: int) -> dict[str, Any]:
    """Everything but the attempts."""
    return comparable(setup) | {
        **code_state(setup.programs),
        "versions": versions() | (host_versions() if setup.on_host else {}),
        "code": setup.code,
        "host": platform.node(),
        "cpu": cpu_model(),
        "pack_width": pack_width,
        "command_line": sys.argv,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _gpu_model() -> str:
    return str(torch.cuda.get_device_name())
