"""Speed of solvers' iterations, operation by operation and as native code, on one core.

A case is a solver as shipped or small, a run of it alone. Rounds go from backend to backend;
medians over rounds are reported, and the median of each round's ratio, both of CPU time. `ready` is
how long the native code of a case took to be made, or found where it had been made before.

    python benchmarks/solver_speed.py
    python benchmarks/solver_speed.py --case "mc_pg, 8 paths" --rounds 9
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from training_speed import BACKENDS, advancing, measure

from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.training.backends import prepare_torch
from nthrun.training.context import make_context
from nthrun.training.loop import Training

CONFIG = Path(__file__).resolve().parents[1] / "config"
MANY = {
    "total_timesteps": 10**6,
    "eval_interval_timesteps": 10**6,
    "snapshot_interval_timesteps": 0,
}


class Case(NamedTuple):
    """A solver in an economy.

    Attributes:
        environment, agent: names of the shipped specs.
        changes, parameters: what the two differ in from them.
        block: iterations of a block.
    """

    environment: str
    agent: str
    changes: dict[str, Any]
    parameters: dict[str, Any]
    block: int = 1


CASES = {
    "euler_quadrature, 64 + 64": Case(
        "Bewley",
        "euler_quadrature",
        {"households": 32},
        {"num_worlds": [2], "off_path_households": [64], "hidden": [[32, 32]]},
        32,
    ),
    "euler_quadrature, as shipped": Case("Bewley", "euler_quadrature", {}, {}, 8),
    "mc_pg, 8 paths": Case("GHM_solver", "mc_pg", {}, {"n_trajectories": [8]}, 8),
    "mc_pg, as shipped": Case("GHM_solver", "mc_pg", {}, {}, 4),
    "bellman_ac, 2 × 4": Case(
        "KrusellSmith", "bellman_ac", {}, {"num_worlds": [2], "num_households": [4]}
    ),
    "bellman_ac, as shipped": Case("KrusellSmith", "bellman_ac", {}, {}),
    "euler_ks, as shipped": Case("KrusellSmith", "euler_ks", {}, {}),
    "ppo_types, RBC_small": Case("RBC_small", "ppo_types", {}, {}),
}


def training_of(case: Case, backend: str) -> Training:
    """A run of a case that keeps no files."""
    environment = json.loads((CONFIG / "environment" / f"{case.environment}.json").read_text())
    agent = json.loads((CONFIG / "agent" / f"{case.agent}.json").read_text())
    agent["parameters"] |= case.parameters
    spec = experiment_spec_of(environment | MANY | case.changes, agent, "benchmark")
    (pack,) = packs_of_runs([plan_run(spec, 0, 0)], spec.agent.declaration.static_names(), 1)
    return Training(pack, make_context(spec, backend))


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Turns of each backend.")
@click.option("--case", "chosen", multiple=True, type=click.Choice(list(CASES)), help="Only these.")
def main(rounds: int, chosen: tuple[str, ...]) -> None:
    """Print a line a case."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds; iterations per CPU-second")
    click.echo(f"{'':<30} {'eager':>9} {'compile':>9} {'ratio':>7} {'ready':>8}")
    for title in chosen or CASES:
        case = CASES[title]
        contestants = {}
        for backend in BACKENDS:
            contestants[backend] = advancing(training_of(case, backend), 1, case.block)
            began = time.perf_counter()
            contestants[backend](1)
            ready = time.perf_counter() - began
        speeds = {b: np.array(s) for b, s in measure(contestants, rounds, case.block).items()}
        eager, native = (speeds[backend] for backend in BACKENDS)
        middle = [statistics.median(numbers) for numbers in (eager, native, native / eager)]
        click.echo(f"{title:<30} {middle[0]:9.2f} {middle[1]:9.2f} {middle[2]:6.1f}× {ready:7.1f}s")


if __name__ == "__main__":
    main()
