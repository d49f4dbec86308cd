"""How long the setting of a number takes, near the first and near the billionth.

python benchmarks/search_speed.py
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.specs.sweep import Sweep

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = "config/environment/PendulumContinuous-v1.json"
PARAMETERS = {
    "critic_lr": {"loguniform": [1e-5, 1e-2]},
    "actor_lr_scale": {"loguniform": [0.1, 10.0]},
    "alpha": {"loguniform": [1e-3, 1.0]},
    "tau": {"uniform": [0.001, 0.1]},
    "batch_size": {"int": [16, 256]},
    "activation": ["relu", "tanh"],
}
CAPACITY = 2**30
FIRSTS = (0, 10**9)
LOOKUPS = 1000


def sweep_of(method: str, folder: Path) -> Sweep:
    """The settings of a search of six hyperparameters of SAC."""
    path = folder / f"{method}.json"
    search = {"method": method, "capacity": CAPACITY}
    spec = {"agent_name": "SAC", "parameters": PARAMETERS, "search": search}
    path.write_text(json.dumps(spec))
    return read_experiment_spec([str(ROOT / ENVIRONMENT)], [str(path)]).sweep


def microseconds(sweep: Sweep, first: int) -> float:
    """Microseconds a setting, from a number on."""
    started = time.perf_counter()
    for number in range(first, first + LOOKUPS):
        sweep.setting(number)
    return (time.perf_counter() - started) * 1e6 / LOOKUPS


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Repetitions of each.")
def main(rounds: int) -> None:
    """Print medians over rounds."""
    click.echo(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        for method in ("random", "sobol", "halton"):
            sweep = sweep_of(method, Path(folder))
            medians = (
                statistics.median(microseconds(sweep, first) for _ in range(rounds))
                for first in FIRSTS
            )
            cells = (f"{value:7.1f} us" for value in medians)
            click.echo(f"  {method:<8} numbers from 0 and from 10^9: {'  '.join(cells)}")


if __name__ == "__main__":
    main()
