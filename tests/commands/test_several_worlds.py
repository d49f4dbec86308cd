"""Runs of several worlds by the real command: killed, continued, kept at environment steps."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, call, command
from several import ENVIRONMENT, RECORD

from nthrun.records.data import open_data
from nthrun.records.schema import Run, first_difference
from nthrun.records.snapshots import read_snapshot

OWN = {"PYTHONPATH": str(ROOT / "tests")}
TENSORS = {"total_timesteps": 32_000}
HOSTED = {"total_timesteps": 64_000, "platform": "gymnasium", "continuous": False}


AGENTS: dict[str, dict[str, Any]] = {
    "several:Several": {"lr": [0.02]},
    "PPO": {"policy_type": ["Softmax"], "n_steps": [500], "batch_size": [500], "n_epochs": [2]},
}
"""Agents that may act in several worlds; PPO's rollouts of 500 steps end between blocks of 512."""


def options(directory: Path, agent_name: str, environment: dict[str, Any]) -> list[str]:
    """Options of runs with one world and with eight."""
    total = environment["total_timesteps"]
    often = {"checkpoint_interval_seconds": 0.01, "snapshot_interval_timesteps": total // 2}
    protocol = {"eval_interval_timesteps": total // 4, "record": RECORD, "snapshots": ["best"]}
    agent = {"agent_name": agent_name, "parameters": {"num_worlds": [1, 8]} | AGENTS[agent_name]}
    discrete = {"continuous": False} if agent_name == "PPO" else {}
    (directory / "environment.json").write_text(
        json.dumps(ENVIRONMENT | protocol | often | environment | discrete)
    )
    (directory / "agent.json").write_text(json.dumps(agent))
    specs = ["--env-json", str(directory / "environment.json")]
    specs += ["--agent-json", str(directory / "agent.json")]
    return [*specs, "--save-dir", str(directory / "out"), "--backend", "eager"]


def recorded(directory: Path) -> dict[int, Run]:
    """Index -> record."""
    runs = [entry.load(()) for entry in open_data(experiment(directory)).entries]
    return {run["index"]: run for run in runs}


def experiment(directory: Path) -> Path:
    """The only experiment."""
    (root,) = (directory / "out").iterdir()
    return root


def newest_step(directory: Path) -> int:
    """The step of the newest checkpoint; 0 without one."""
    states = (directory / "out").glob("*/checkpoints/*/state-*.ckpt")
    return max((int(path.stem.removeprefix("state-")) for path in states), default=0)


def killed_beyond(directory: Path, arguments: list[str], step: int) -> None:
    """Begin a command, and kill it once a checkpoint stands beyond a step."""
    process = subprocess.Popen(
        command("main.py", *arguments), cwd=ROOT, env=os.environ | OWN, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while newest_step(directory) <= step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("environment", [TENSORS, HOSTED], ids=["tensors", "hosted"])
@pytest.mark.parametrize("agent", AGENTS)
def test_a_killed_run_has_every_bit(
    tmp_path: Path, agent: str, environment: dict[str, Any]
) -> None:
    """A run of eight worlds that is killed twice, within rollouts too, has the bits that it has
    beside another or by two workers; its attempts, evaluations and snapshots are at environment
    steps; it is combined, and verified."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    both = [*options(calm, agent, environment), "--index", "1,3,5,7", "--workers", "2"]
    done = call("main.py", *both, **OWN)
    assert done.returncode == 0, done.stderr
    arguments = [*options(killed, agent, environment), "--index", "1"]
    total = environment["total_timesteps"]
    for _ in range(2):
        killed_beyond(killed, arguments, newest_step(killed))
    done = call("main.py", *arguments, **OWN)
    assert done.returncode == 0, done.stderr
    run = recorded(killed)[1]
    assert first_difference(run, recorded(calm)[1]) is None
    begun = [attempt["step"] for attempt in run["provenance"]["attempts"]]
    assert len(begun) == 3
    if agent == "PPO":
        assert any(step % 4000 for step in begun)
    assert all(step % 8 == 0 for step in begun)
    assert 0 < begun[1] < begun[2]
    assert run["timesteps_at_eval"].tolist() == [total // 4 * n for n in range(5)]
    (halfway,) = (killed / "out").glob(f"*/snapshots/*-step{total // 2}.h5")
    assert read_snapshot(halfway)[0]["step"] == total // 2
    assert call("simple_combine.py", str(experiment(killed)), **OWN).returncode == 0
    (combined,) = open_data(experiment(killed) / "data.json").entries
    assert combined.load(())["train_episode_ends"][-1] <= total
    assert call("main.py", *arguments, "--verify", **OWN).returncode == 0
