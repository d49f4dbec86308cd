"""What a second worker gains: the real command with --workers 1 and with --workers 2.

16 runs of SAC on Pendulum, 64x64, batch 32, without evaluations. The same command with runs of one
block of steps gives the start-up (Python, torch, loading the compiled step, starting workers, first
records), which is subtracted to get the speed of training. Rounds alternate between the commands;
medians are reported. Every command has a fresh --save-dir, and all share one cache of compiled
code, filled beforehand. "Cores" is CPU time over wall time of the whole command: where it is below
the number of workers, something else kept the cores busy, or start-up did not spread over them.

    python benchmarks/workers_speed.py
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

import click
from main_command import Cost, run_main, spec_arguments

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.machine import cpu_model
from nthrun.planning.memory_estimate import BLOCK_STEPS

AGENT = {"agent_name": "SAC", "parameters": {"hidden_dim": 64, "batch_size": 32}}
ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "steps_per_episode": 200,
    "eval_interval_timesteps": 10**9,
    "eval_episodes": 0,
}


def command_cost(folder: Path, num_steps: int, runs: int, workers: int) -> Cost:
    """The cost of training `runs` runs of so many steps."""
    environment = ENVIRONMENT | {"total_timesteps": num_steps}
    arguments = spec_arguments(folder, AGENT, environment)
    arguments += ["--index", f"0-{runs - 1}", "--workers", str(workers), "--device", "cpu"]
    return run_main(arguments, folder, folder / "cache")


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Turns of each command.")
@click.option("--steps", default=20_000, show_default=True, help="Steps of each run.")
@click.option("--runs", default=16, show_default=True, help="How many, from index 0.")
@click.option("--workers", multiple=True, type=int, default=(1, 2), show_default=True)
def main(rounds: int, steps: int, runs: int, workers: tuple[int, ...]) -> None:
    """Print wall seconds, start-up, and run-steps per second between them."""
    whole: dict[int, list[Cost]] = {count: [] for count in workers}
    start_up: dict[int, list[float]] = {count: [] for count in workers}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command_cost(folder, BLOCK_STEPS, runs, 1)  # fills the cache
        for _ in range(rounds):
            for count in workers:
                brief = command_cost(folder, BLOCK_STEPS, runs, count)
                start_up[count].append(brief.wall_seconds)
                whole[count].append(command_cost(folder, steps, runs, count))
    click.echo(f"{cpu_model()}, {os.cpu_count()} cores, {rounds} rounds")
    click.echo(f"{runs} runs of {steps} steps (median)\n")
    click.echo("workers   wall s   cores   start-up s   run-steps/s, steady   ratio")
    first: list[float] = []
    for count in workers:
        walls = [cost.wall_seconds for cost in whole[count]]
        cores = statistics.median(cost.cpu_seconds / cost.wall_seconds for cost in whole[count])
        pairs = zip(walls, start_up[count], strict=True)
        speeds = [runs * (steps - BLOCK_STEPS) / (wall - brief) for wall, brief in pairs]
        first = first or speeds
        ratio = statistics.median(a / b for a, b in zip(speeds, first, strict=True))
        click.echo(
            f"{count:>7} {statistics.median(walls):8.1f} {cores:7.2f} "
            f"{statistics.median(start_up[count]):12.1f} {statistics.median(speeds):21,.0f} "
            f"{ratio:6.2f}x"
        )


if __name__ == "__main__":
    main()
