"""How fast commands start and indices become settings.

python benchmarks/command_speed.py
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import read_experiment_spec

ROOT = Path(__file__).resolve().parents[1]
AGENT = "config/agent/SAC_classic_sweep.json"
ENVIRONMENT = "config/environment/PendulumContinuous-v1.json"
DESCRIBE = ["--agent-json", AGENT, "--env-json", ENVIRONMENT, "--describe", "--index", "0-79"]
NUM_LOOKUPS = 200_000


def wall_seconds(arguments: list[str]) -> float:
    """Wall seconds of one `main.py` process."""
    started = time.perf_counter()
    command = [sys.executable, "main.py", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def lookups_per_second() -> float:
    """Index -> (setting, run number) of the shipped sweep, per second."""
    sweep = read_experiment_spec([str(ROOT / ENVIRONMENT)], [str(ROOT / AGENT)]).sweep
    started = time.perf_counter()
    for index in range(NUM_LOOKUPS):
        setting_number, _ = sweep.locate(index)
        sweep.setting(setting_number)
    return NUM_LOOKUPS / (time.perf_counter() - started)


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Repetitions of each.")
def main(rounds: int) -> None:
    """Print medians over rounds."""
    click.echo(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for name, arguments in {"--help": ["--help"], "--describe, 80 indices": DESCRIBE}.items():
        seconds = statistics.median(wall_seconds(arguments) for _ in range(rounds))
        click.echo(f"  main.py {name:<24} {seconds:8.3f} s")
    lookups = statistics.median(lookups_per_second() for _ in range(rounds))
    click.echo(f"  index -> setting, per second     {lookups:12,.0f}")


if __name__ == "__main__":
    main()
