"""The real entry points as real processes, on small specs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packs import ENVIRONMENT, PARAMETERS
from warm import ROOT, warm_process

from nthrun.records.data import open_data
from nthrun.records.schema import Run

TIMEOUT = 300
EXPERIMENT = "Pendulum-v1_SAC_SquashedGaussian"


def write_specs(
    directory: Path,
    environment: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write the small experiment's two spec files; returns the options that name them."""
    policy = {"policy_type": ["SquashedGaussian"]}
    content = {
        "environment": ENVIRONMENT | dict(environment or {}),
        "agent": {"agent_name": "SAC", "parameters": policy | PARAMETERS | dict(parameters or {})},
    }
    for name, values in content.items():
        (directory / f"{name}.json").write_text(json.dumps(values))
    return [
        "--env-json",
        str(directory / "environment.json"),
        "--agent-json",
        str(directory / "agent.json"),
    ]


def command(script: str, *arguments: str) -> list[str]:
    """The command line of an entry point."""
    return [sys.executable, str(ROOT / script), *arguments]


def call(
    script: str, *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run an entry point to its end."""
    variables = os.environ | environment
    return warm_process().call(command(script, *arguments)[1:], cwd or ROOT, variables, TIMEOUT)


def recorded(save_dir: Path, experiment: str = EXPERIMENT) -> dict[tuple[int, int], Run]:
    """(stage, index) -> run of an experiment under a save dir."""
    data = open_data(save_dir / experiment)
    runs = [entry.load(()) for entry in data.entries]
    return {(run["stage"], run["index"]): run for run in runs}
