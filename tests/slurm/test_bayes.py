"""Settings that are suggested inside the tasks of a real Slurm."""

from __future__ import annotations

import json
from pathlib import Path

from slurm.cluster import SlurmCluster
from slurm.sweeps import PARAMETERS, Sweep, require_recorded_once

from nthrun.records.data import open_data
from nthrun.studies.journal import ASK, TELL, Journal

CAPACITY = 50
EACH_ALONE = ("--packsPerTask", "1", "--cores", "1")


def test_tasks_suggest_their_settings(slurm: SlurmCluster, tmp_path: Path) -> None:
    """Tasks that run at once suggest a setting for each of their numbers, no number twice and no
    setting twice, in the light of what others recorded; the same command with more settings goes
    on, and every record has the journal's setting of its number."""
    sweep = Sweep(slurm, tmp_path, {"total_timesteps": 100, "eval_interval_timesteps": 50})
    ranges = {"critic_lr": {"loguniform": [0.0001, 0.1]}, "alpha": {"loguniform": [0.01, 1]}}
    agent = {
        "agent_name": "SAC",
        "parameters": PARAMETERS | ranges,
        "search": {"method": "bayes", "capacity": CAPACITY},
    }
    (tmp_path / "agent.json").write_text(json.dumps(agent))
    sweep.submit(1, "--settings", "0-2", *EACH_ALONE)
    assert len(sweep.newest_plan().tasks) > 1
    sweep.wait_until_done()
    require_recorded_once(sweep, 3)
    assert "submitted" not in sweep.submit(1, "--settings", "0-2", *EACH_ALONE)
    sweep.submit(1, "--settings", "0-3", *EACH_ALONE)
    sweep.wait_until_done()
    require_recorded_once(sweep, 4)
    events = Journal(sweep.experiment).events()
    asked = {event[ASK]: event["setting"] for event in events if ASK in event}
    assert sum(ASK in event for event in events) == len(asked)
    assert sorted(asked) == list(range(4))
    assert len({str(setting) for setting in asked.values()}) == 4
    assert {event[TELL] for event in events if TELL in event} >= {0, 1, 2}
    for entry in open_data(sweep.experiment).entries:
        run = entry.load(())
        assert run["agent_params"] == asked[run["setting_number"]]
