"""What it costs to run a training as a program: CPU time beside the bare script.

python benchmarks/program_speed.py [--seconds 60]

The training is a small network in numpy, that many seconds of it, which reports an episode every
hundred updates.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
TRAINING = """
import json, os, sys, time
import numpy as np

def updates(number, report):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 64))
    for update in range(number):
        batch = rng.normal(size=(32, 64))
        error = np.tanh(batch @ weights) - batch
        weights -= 0.01 * batch.T @ error / 32
        if update % 100 == 99:
            report(update + 1, float((error**2).mean()))

def train(run):
    updates(run.setting["updates"], lambda step, loss: run.episode(-loss, 100))

if __name__ == "__main__":
    path = os.environ.get("NTHRUN_REPORT")
    file = open(path or os.devnull, "a", buffering=1)
    updates(int(sys.argv[1]), lambda step, loss: print(
        json.dumps({"step": step, "episode_return": -loss}), file=file))
"""


def cpu_seconds(words: list[str], folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of a command and all it started."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - begun


def as_program(folder: Path, name: str, agent: dict[str, object]) -> list[str]:
    """The command line that runs a spec's index 0."""
    (folder / f"{name}.json").write_text(json.dumps(agent))
    (folder / "environment.json").write_text("{}")
    words = [sys.executable, str(ROOT / "main.py"), "--agent-json", f"{name}.json"]
    return [*words, "--env-json", "environment.json", "--index", "0"]


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Length of the training.")
def main(seconds: float) -> None:
    """Print CPU seconds of the bare script, and of it as a command and as a function."""
    click.echo(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "training.py").write_text(TRAINING)
        script = [sys.executable, "training.py"]
        trial, _ = cpu_seconds([*script, "20000"], folder)
        updates = int(20_000 * seconds / trial)
        parameters = {"updates": [updates]}
        command = {"agent_name": "command", "name": "c", "parameters": parameters}
        command["command"] = [*script, "{updates}"]
        function = {"agent_name": "training:train", "parameters": parameters}
        nothing = {"agent_name": "command", "name": "n", "command": ["true"]}
        empty, _ = cpu_seconds(as_program(folder, "n", nothing), folder)
        bare, _ = cpu_seconds([*script, str(updates)], folder)
        click.echo(f"  main.py around a command that does nothing {empty:8.2f} s")
        click.echo(f"  bare script                                {bare:8.2f} s")
        for kind, agent in (("command", command), ("function", function)):
            spent, _ = cpu_seconds(as_program(folder, kind, agent), folder)
            run, whole = (100 * (spent - part - bare) / bare for part in (empty, 0.0))
            said = f"{run:+.1f} % in the run, {whole:+.1f} % with main.py"
            click.echo(f"  as a {kind:<37} {spent:8.2f} s: {said}")


if __name__ == "__main__":
    main()
