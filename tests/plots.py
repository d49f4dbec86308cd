"""Figures drawn as their commands do, in this process, and a sweep to draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from builders import make_experiment, make_run
from click.testing import CliRunner

from nthrun.commands.plot import figure_command
from nthrun.records.experiment import Experiment
from nthrun.records.schema import Run


def drawn(name: str, *arguments: str | Path) -> list[Path]:
    """Draw a figure; gives the paths that its command prints."""
    result = CliRunner().invoke(
        figure_command(name),
        [*map(str, arguments)],
        catch_exceptions=False,
        standalone_mode=False,
    )
    return [Path(line) for line in result.stdout.splitlines()]


def plotted(name: str, *arguments: str | Path, into: Path) -> list[Path]:
    """Draw a figure with every file in one folder; gives the paths that its command prints."""
    return drawn(name, *arguments, "--png-dir", into, "--pdf-dir", into)


def listed(paths: list[Path]) -> dict[str, list[dict[str, object]]]:
    """What the list of runs beside a figure says."""
    [listing] = [path for path in paths if path.name.endswith(".runs.json")]
    content: dict[str, list[dict[str, object]]] = json.loads(listing.read_text())
    return content


def sweep(**changes: Any) -> list[Run]:
    """Two runs of four settings, one of which diverged."""
    runs = []
    for index in range(8):
        number = index % 4
        parameters = {
            "critic_lr": [0.01, 0.1][number % 2],
            "activation": ["relu", "tanh"][number // 2],
        }
        status = "diverged" if number == 3 else "completed"
        returns = [number - 9.0, number - 1.0]
        own = {"status": status, "agent_params": parameters} | changes
        runs.append(make_run(index, number, index // 4, returns, [60, 40], **own))
    return runs


def experiment(root: Path, **changes: Any) -> Experiment:
    """The sweep as an experiment directory."""
    return make_experiment(root, 4, runs=sweep(**changes))


def recorded(index: int) -> dict[str, Any]:
    """Series of updates and actions."""
    generator = np.random.default_rng(index)
    metrics = {"entropy": generator.normal(size=90), "critic_loss": generator.normal(size=90)}
    return {"metrics": metrics, "train_actions": generator.integers(0, 3, (100, 1))}
