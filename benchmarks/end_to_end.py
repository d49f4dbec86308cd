"""The shipped sweep as the real command: wall time and core-hours, against Stable-Baselines3.

`main.py` trains the 80 settings of config/agent/SAC_classic_sweep.json on Pendulum, evaluations,
checkpoints and records included, into a temporary save dir. Stable-Baselines3 is EXTRAPOLATED: its
SAC is trained for a few thousand steps with the first setting of each static group (equal network
and batch sizes), before and after, and CPU-seconds a step are multiplied by the steps that nthrun
took; a diverged run, which nthrun ends early, costs both only its steps. For Stable-Baselines3
nothing but training is counted.

    python benchmarks/end_to_end.py
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from main_command import ROOT, Cost, run_main

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.index import parse_indices
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import static_groups

AGENT = str(ROOT / "config/agent/SAC_classic_sweep.json")
ENVIRONMENT = str(ROOT / "config/environment/PendulumContinuous-v1.json")
RECORDED = re.compile(r"^index (\d+): (\w+), (\d+) steps", re.MULTILINE)


def stable_baselines3_seconds(setting: Mapping[str, Any], num_steps: int) -> float:
    """CPU-seconds a step of Stable-Baselines3's SAC on one thread, after a warm-up."""
    from stable_baselines3 import SAC  # noqa: PLC0415 - its import takes seconds

    tuned = setting["automatic_entropy_tuning"]
    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        learning_rate=setting["critic_lr"],
        batch_size=setting["batch_size"],
        buffer_size=setting["replay_capacity"],
        tau=setting["tau"],
        ent_coef="auto" if tuned else setting["alpha"],
        learning_starts=1,
        train_freq=1,
        gradient_steps=1,
        policy_kwargs={"net_arch": [setting["hidden_dim"]] * 2},
        device="cpu",
        seed=0,
    )
    model.learn(num_steps // 4)
    started = time.process_time()
    model.learn(num_steps, reset_num_timesteps=False)
    return (time.process_time() - started) / num_steps


def sample_peer(spec: ExperimentSpec, groups: list[list[int]], num_steps: int) -> list[float]:
    """CPU-seconds a step of Stable-Baselines3 with the first setting of each static group."""
    sampled = []
    for group in groups:
        setting = spec.sweep.setting(spec.sweep.locate(group[0])[0])
        sampled.append(stable_baselines3_seconds(setting, num_steps))
        click.echo(
            f"Stable-Baselines3, {len(group)} runs of {setting['hidden_dim']} units and batch "
            f"{setting['batch_size']}: {1 / sampled[-1]:.0f} steps per CPU-second"
        )
    return sampled


def arguments_of(settings: str, steps: int, workers: int, folder: Path) -> list[str]:
    """The command's arguments; `steps` other than 0 shorten the runs."""
    files = ["--agent-json", AGENT, "--env-json", ENVIRONMENT]
    if steps:
        override = folder / "shorter.json"
        override.write_text(f'{{"total_timesteps": {steps}}}')
        files += ["--env-json", str(override)]
    return [*files, "--index", settings, "--workers", str(workers), "--device", "cpu"]


def report(cost: Cost, peer_seconds: float, workers: int) -> None:
    """Print both sides."""
    statuses = [status for _, status, _ in RECORDED.findall(cost.output)]
    counts = ", ".join(f"{statuses.count(s)} {s}" for s in sorted(set(statuses)))
    click.echo(f"\n                                 wall minutes   core-hours   ({counts})")
    click.echo(
        f"  nthrun, measured               {cost.wall_seconds / 60:12.1f} "
        f"{cost.cpu_seconds / 3600:12.3f}"
    )
    click.echo(
        f"  Stable-Baselines3, EXTRAPOLATED{peer_seconds / workers / 60:12.1f} "
        f"{peer_seconds / 3600:12.3f}   (one thread a run, {workers} at a time, training only)"
    )
    click.echo(
        f"  ratio                          {peer_seconds / workers / cost.wall_seconds:12.1f} "
        f"{peer_seconds / cost.cpu_seconds:12.1f}"
    )


@click.command()
@click.option("--settings", default="", help="Indices; all settings once if left out.")
@click.option("--steps", default=0, help="Steps of a run; those of the spec if left out.")
@click.option("--workers", default=2, show_default=True)
@click.option("--sample-steps", default=4000, show_default=True, help="Of Stable-Baselines3.")
def main(settings: str, steps: int, workers: int, sample_steps: int) -> None:
    """Print wall minutes and core-hours of both."""
    torch.set_num_threads(1)
    spec = read_experiment_spec([ENVIRONMENT], [AGENT])
    settings = settings or f"0-{spec.sweep.num_settings - 1}"
    click.echo(f"{cpu_model()}, {os.cpu_count()} cores; --index {settings} --workers {workers}")
    groups = static_groups(spec, parse_indices(settings))
    before = sample_peer(spec, groups, sample_steps)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cost = run_main(arguments_of(settings, steps, workers, folder), folder)
    after = sample_peer(spec, groups, sample_steps)
    trained = {int(index): int(done) for index, _, done in RECORDED.findall(cost.output)}
    peer_seconds = sum(
        (early + late) / 2 * sum(trained[index] for index in group)
        for group, early, late in zip(groups, before, after, strict=True)
    )
    report(cost, peer_seconds, workers)


if __name__ == "__main__":
    main()
