"""Runs that start from recorded ones, by tasks of a real Slurm that run a snapshot of the code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from agents.solver_runs import AGGREGATE, SMALL
from processes import call
from slurm.cluster import SlurmCluster
from slurm.sweeps import Sweep, require_recorded_once

from nthrun.records.data import open_data
from nthrun.records.schema import Run

NAME = "KrusellSmith_bellman_ac"
WORLD = AGGREGATE | {
    "calibration": {"tfp_states": 2, "productivity_nodes": 2},
    "total_timesteps": 4,
    "eval_interval_timesteps": 4,
    "eval_episodes": 0,
}
STILL = {"policy_lr": [1e-30], "value_lr": [1e-30], "parent_index": [0, 1]}


class Economies(Sweep):
    """A sweep of the actor and critic in an economy with aggregate risk."""

    @property
    def experiment(self) -> Path:
        return self.save_dir / NAME


def write_specs(directory: Path, **parameters: object) -> None:
    """Write environment.json and agent.json of a small experiment."""
    agent = {"agent_name": "bellman_ac", "parameters": SMALL["bellman_ac"] | parameters}
    (directory / "environment.json").write_text(json.dumps(WORLD))
    (directory / "agent.json").write_text(json.dumps(agent))


def records(directory: Path) -> list[Run]:
    """The records of an experiment, by index."""
    runs = (entry.load(()) for entry in open_data(directory).entries)
    return sorted(runs, key=lambda made: made["index"])


@pytest.mark.slow
def test_tasks_start_from_recorded_runs(slurm: SlurmCluster, tmp_path: Path) -> None:
    """Tasks find the parents of their runs beside the experiment's directory, though they run a
    snapshot of the code; what they record begins with the parent's networks and names the parent,
    and an index whose parent is not recorded is not submitted."""
    sweep = Economies(slurm, tmp_path)
    write_specs(tmp_path)
    named = ("--env-json", "environment.json", "--agent-json", "agent.json")
    saved = ("--save-dir", str(tmp_path / "first"), "--backend", "eager")
    first = call("main.py", *named, "--index", "0-1", *saved, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    parents = {"pretrained": [f"../first/{NAME}"]}
    write_specs(tmp_path, **STILL | parents | {"parent_index": [0, 7]})
    refused = sweep.schedule(1)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: index 1: parent_index 7: not recorded in ")
    assert not sweep.experiment.exists()
    write_specs(tmp_path, **STILL | parents)
    sweep.submit(1, "--packsPerTask", "1", "--pack", "1")
    sweep.wait_until_done()
    require_recorded_once(sweep, 2)
    [snapshot] = (sweep.experiment / "code").iterdir()
    assert (snapshot / "nthrun").is_dir()
    for made, parent in zip(
        records(sweep.experiment), records(tmp_path / "first" / NAME), strict=True
    ):
        assert made["provenance"]["attempts"][0]["plan"]["NTHRUN_PLAN"]
        assert made["provenance"]["parent"]["index"] == parent["index"]
        for name, array in parent["learned_params"].items():
            np.testing.assert_allclose(made["learned_params"][name], array, rtol=0, atol=1e-25)
