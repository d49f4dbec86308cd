"""`main.py` as a real command, and what one call of it costs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.compiler.library import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """What a command took.

    Attributes:
        wall_seconds: from its start to its end.
        cpu_seconds: user and system time of it and of every process under it.
        output: what it printed on stdout.
    """

    wall_seconds: float
    cpu_seconds: float
    output: str


def run_main(arguments: Sequence[str], folder: Path, cache: Path | None = None) -> Cost:
    """Run `main.py` with a fresh save dir, which is deleted afterwards.

    Args:
        arguments: all but the save dir.
        folder: where the save dir is made.
        cache: of compiled code; None is the user's own.

    Raises:
        CalledProcessError: it failed; what it said is on stderr.
    """
    environment = dict(os.environ) if cache is None else os.environ | {CACHE_VARIABLE: str(cache)}
    with tempfile.TemporaryDirectory(dir=folder) as save_dir:
        command = [sys.executable, "main.py", *arguments, "--save-dir", save_dir]
        cpu_before, started = _cpu_seconds(), time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - started
        return Cost(seconds, _cpu_seconds() - cpu_before, done.stdout)


def spec_arguments(
    folder: Path, agent: Mapping[str, Any], environment: Mapping[str, Any]
) -> list[str]:
    """Write an agent and an environment spec; the arguments of `main.py` that name them."""
    arguments = []
    for option, content in {"agent-json": agent, "env-json": environment}.items():
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".json", delete=False) as file:
            json.dump(content, file)
        arguments += [f"--{option}", file.name]
    return arguments


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
