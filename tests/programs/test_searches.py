"""Searches over programs: drawn, suggested and ended early, as over agents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from program_experiments import ProgramExperiment

LEVEL = {"uniform": [0.0, 10.0]}


def spec(method: str, **search: Any) -> dict[str, Any]:
    """A search for the highest level."""
    searched = {"method": method, "capacity": 50, "metric": "evaluation", **search}
    return {"agent_name": "lab:level", "parameters": {"level": LEVEL}, "search": searched}


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_settings_are_drawn_for_a_program(tmp_path: Path, method: str) -> None:
    """Each number has a setting from the ranges of hyperparameters that nobody declared."""
    experiment = ProgramExperiment(tmp_path, spec(method))
    assert experiment.run("--settings", "0-2").code == 0
    levels = [run["agent_params"]["level"] for run in experiment.records().values()]
    assert len(set(levels)) == 3
    assert all(0 <= level <= 10 for level in levels)


def test_settings_are_suggested_for_a_program(tmp_path: Path) -> None:
    """Bayes suggests from what earlier runs reported."""
    experiment = ProgramExperiment(tmp_path, spec("bayes", seed=1))
    assert experiment.run("--settings", "0-2").code == 0
    runs = experiment.records()
    means = [float(run["eval_episode_rewards"].mean()) for run in runs.values()]
    assert means == [run["agent_params"]["level"] for run in runs.values()]
    assert len((experiment.root / "search" / "journal").read_text().splitlines()) >= 3


def test_hopeless_runs_of_a_program_are_ended(tmp_path: Path) -> None:
    """A run whose evaluations are below the others' median ends there, its record pruned."""
    search = {"pruner": "median", "pruner_startup_runs": 2, "metric": "evaluation"}
    agent = {
        "agent_name": "lab:level",
        "parameters": {"level": [5, 6, 7, 1]},
        "search": search,
    }
    experiment = ProgramExperiment(tmp_path, agent)
    assert experiment.run("--index", "0-3").code == 0
    runs = experiment.records()
    assert [runs[n]["status"] for n in range(4)] == [*["completed"] * 3, "pruned"]
    assert runs[3]["timesteps_at_eval"].tolist() == [0, 20]
    assert runs[3]["reason"] == "ended at step 20, hopeless beside other runs"
    assert experiment.run("--index", "3", "--verify").out == "index 3: equal\n"


def test_a_hopeless_run_that_asks_late_is_ended_at_once(tmp_path: Path) -> None:
    """It hears that it is to end although that was decided before it asked."""
    search = {"pruner": "median", "pruner_startup_runs": 1, "metric": "evaluation"}
    agent = {"agent_name": "lab:asks_late", "parameters": {"level": [5, 1]}, "search": search}
    experiment = ProgramExperiment(tmp_path, agent)
    begun = time.monotonic()
    assert experiment.run("--index", "0-1").code == 0
    assert time.monotonic() - begun < 15
    assert [run["status"] for run in experiment.records().values()] == ["completed", "pruned"]
