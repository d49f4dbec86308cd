"""What compiling costs: wall seconds from the command to the end of its first block of steps.

The real command on one run of SAC on Pendulum that is one block long, with one evaluation before
it, from start to exit: with an empty cache of compiled code, with the cache that this has filled,
and without compiling. Rounds alternate between the three; medians are reported.

    python benchmarks/compile_time.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import click
from main_command import run_main, spec_arguments

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.compiler.library import compiler_version
from nthrun.planning.machine import cpu_model
from nthrun.planning.memory_estimate import BLOCK_STEPS

ENVIRONMENT = {
    "env_name": "Pendulum-v1",
    "total_timesteps": BLOCK_STEPS,
    "steps_per_episode": 200,
    "eval_interval_timesteps": 10**9,
    "eval_episodes": 1,
}


def measure(folder: Path, hidden_dim: int, rounds: int) -> dict[str, list[float]]:
    """Wall seconds of each case in each round."""
    agent = {"agent_name": "SAC", "parameters": {"hidden_dim": hidden_dim, "batch_size": 32}}
    arguments = spec_arguments(folder, agent, ENVIRONMENT)
    arguments += ["--index", "0", "--device", "cpu", "--backend"]
    cases = {"empty cache": "compile", "filled cache": "compile", "eager": "eager"}
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            for case, backend in cases.items():
                cost = run_main([*arguments, backend], folder, Path(cache))
                seconds[case].append(cost.wall_seconds)
    return seconds


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Turns of each case.")
@click.option("--hidden", multiple=True, type=int, default=(64, 256), show_default=True)
def main(rounds: int, hidden: tuple[int, ...]) -> None:
    """Print medians over rounds."""
    click.echo(f"{cpu_model()}, {compiler_version()}, {rounds} rounds")
    for width in hidden:
        with tempfile.TemporaryDirectory() as folder:
            seconds = measure(Path(folder), width, rounds)
        click.echo(f"\nhidden layers {width}x{width}: seconds of one run of one block (median)")
        for case, values in seconds.items():
            click.echo(f"  {case:<14} {statistics.median(values):6.1f}")


if __name__ == "__main__":
    main()
