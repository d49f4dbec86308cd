"""Programs on a real Slurm: planned by what they need, ended by its signals, continued."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processes import ROOT
from slurm.cluster import SlurmCluster
from slurm.sweeps import CLUSTER, Sweep

from nthrun.records.data import open_data
from nthrun.records.schema import Run


@dataclass
class ProgramSweep(Sweep):
    """A sweep of a program of `lab`, which lies beside its specs."""

    agent: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self._file("environment").write_text(json.dumps(dict(self.environment)))
        self._file("agent").write_text(json.dumps(self.agent))
        self._file("cluster").write_text(json.dumps(CLUSTER | dict(self.fields)))
        (self.directory / "lab.py").write_text((ROOT / "tests/lab.py").read_text())

    @property
    def experiment(self) -> Path:
        """The experiment's directory."""
        return self.save_dir / "none_lab-walk"

    def runs(self) -> list[Run]:
        """The records, sorted by index."""
        runs = [entry.load(()) for entry in open_data(self.experiment).entries]
        return sorted(runs, key=lambda run: run["index"])


def test_a_function_is_planned_interrupted_and_continued(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    """Tasks have the memory that runs need; cancelled ones save, and the same command goes on."""
    agent = {
        "agent_name": "lab:walk",
        "parameters": {"stride": [1, 2]},
        "needs": {"memory_gb": 0.25, "minutes": 2},
    }
    environment = {"total_timesteps": 3000, "pause": 0.05, "checkpoint_interval_seconds": 0.5}
    fields = {"memPerCpu": "100M"}
    sweep = ProgramSweep(slurm, tmp_path, environment, fields, agent=agent)
    assert "needs: 2 minutes" in sweep.submit(1)
    assert sweep.newest_plan().cluster.text("memPerCpu") == "620M"
    saved = sweep.experiment / "checkpoints/programs"
    sweep.wait(lambda: len(list(saved.glob("0-*/.nthrun/saved"))) == 2, "both to save")
    sweep.look("--cancel", "--yes")
    sweep.wait_until_done()
    assert sweep.num_records() == 0
    sweep.submit(1)
    sweep.wait_until_done()
    for run, stride in zip(sweep.runs(), (1, 2), strict=True):
        assert run["status"] == "completed"
        assert run["provenance"]["interruption"] == "continued"
        walk = np.cumsum(stride * np.random.default_rng(0).random(300))
        np.testing.assert_allclose(run["train_episode_rewards"], walk)
    assert not saved.exists()
