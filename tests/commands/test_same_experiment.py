"""An experiment whose spec file is written in another way, but says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import EXPERIMENT, call, recorded, write_specs

TWICE = {"critic_lr": [0.001, 1e-3, 0.002]}


@pytest.mark.slow
def test_constants_may_be_moved_and_written_out(tmp_path: Path) -> None:
    """Runs go on, verify and combine where a default was written out and a hyperparameter of one
    value moved, and other values are refused; a value listed twice is noted, and no obstacle."""
    specs = write_specs(tmp_path, {"total_timesteps": 20, "eval_episodes": 0}, TWICE)
    save = ["--save-dir", str(tmp_path), "--backend", "eager"]
    done = call("main.py", *specs, *save, "--index", "0")
    assert done.returncode == 0, done.stderr
    assert "note: parameters.critic_lr: 0.001 is listed 2 times" in done.stderr
    path = tmp_path / "agent.json"
    agent = json.loads(path.read_text())
    moved = {"tau": [0.005], "hidden_dim": agent["parameters"].pop("hidden_dim")}
    path.write_text(json.dumps(agent | {"parameters": moved | agent["parameters"]}))
    done = call("main.py", *specs, *save, "--index", "1")
    assert done.returncode == 0, done.stderr
    done = call("main.py", *specs, *save, "--index", "0-1", "--verify")
    assert (done.returncode, done.stdout.count(": equal")) == (0, 2), done.stdout + done.stderr
    for _ in range(2):
        assert "2 runs" in call("simple_combine.py", str(tmp_path / EXPERIMENT)).stdout
    assert len({run["agent_params"]["tau"] for run in recorded(tmp_path).values()}) == 1
    path.write_text(json.dumps(agent | {"parameters": {"tau": [0.01]} | agent["parameters"]}))
    done = call("main.py", *specs, *save, "--index", "2")
    assert done.returncode == 2
    assert "another spec, which differs in: parameters.hidden_dim, parameters.tau" in done.stderr
