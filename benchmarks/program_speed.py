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


def cpu_seconds(words: list[str], folder: Path) -> float:
    """CPU seconds of a command and all it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
        trial = cpu_seconds([*script, "20000"], folder)
        updates = int(20_000 * seconds / trial)
        parameters = {"updates": [updates]}
        command = {"agent_name": "command", "name": "c", "parameters": parameters}
        command["command"] = [*script, "{updates}"]
        function = {"agent_name": "training:train", "parameters": parameters}
        nothing = {"agent_name": "command", "name": "n", "command": ["true"]}
        beside = _beside(cpu_seconds(as_program(folder, "n", nothing), folder), folder, "none_n")
        bare = cpu_seconds([*script, str(updates)], folder)
        click.echo(f"  main.py around a command that does nothing {beside[0]:8.2f} s")
        click.echo(f"  bare script                                {bare:8.2f} s")
        for kind, agent, place in (
            ("command", command, "none_c"),
            ("function", function, "none_training-train"),
        ):
            spent = cpu_seconds(as_program(folder, kind, agent), folder)
            parent, child = _beside(spent, folder, place)
            added = 100 * (parent - beside[0]) / bare
            click.echo(
                f"  as a {kind:<10} {child:8.2f} s in its process, {parent:6.2f} s beside it: "
                f"{added:+.1f} % of the bare script"
            )


def _beside(spent: float, folder: Path, name: str) -> tuple[float, float]:
    """CPU seconds of a command beside the process of its run, and of that, by its record."""
    sys.path.insert(0, str(ROOT))
    from nthrun.records.data import open_data  # noqa: PLC0415

    [entry] = open_data(folder / "results" / name).entries
    child = float(entry.load(())["provenance"]["cpu_seconds"])
    return spent - child, child


if __name__ == "__main__":
    main()
