"""Solvers from the command line: what they record, what reads it, and what they are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agents.solver_runs import ENVIRONMENT, SMALL
from processes import call
from schedule_commands import arguments as scheduled

from nthrun.records.data import open_data
from nthrun.records.schema import OMITTED_FROM_JSON, Run
from nthrun.records.snapshots import read_snapshot
from nthrun.records.tables import table

EXPERIMENT = "GHM_mc_pg"


def options(folder: Path, **environment: Any) -> list[str]:
    """Options of a small experiment of mc_pg, its files in a folder, with a save dir there."""
    agent = {"agent_name": "mc_pg", "parameters": SMALL["mc_pg"]}
    (folder / "agent.json").write_text(json.dumps(agent))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT | environment))
    files = (
        "--env-json",
        str(folder / "environment.json"),
        "--agent-json",
        str(folder / "agent.json"),
    )
    return [*files, "--save-dir", str(folder / "out")]


def recorded(folder: Path) -> list[Run]:
    """The records."""
    return [entry.load(()) for entry in open_data(folder / "out" / EXPERIMENT).entries]


def test_a_solver_is_recorded_without_training_episodes(tmp_path: Path) -> None:
    """By itself it runs eagerly, says nothing of it, tells the mean of its evaluations, and its
    record has iterations for steps, evaluations, metrics and no training episode; --verify proves
    it."""
    arguments = [*options(tmp_path, snapshots=["best", "final"]), "--index", "0-2"]
    done = call("main.py", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    runs = recorded(tmp_path)
    assert [run["provenance"]["backend"] for run in runs] == ["eager"] * 3
    for run in runs:
        mean = f"{run['eval_episode_rewards'][1:].mean():.6g}"
        setting = run["setting_number"]
        assert (
            f"index {run['index']}: completed, 12 steps, return {mean} of setting {setting}"
            in done.stdout
        )
        assert run["total_train_episodes"] == len(run["train_episode_rewards"]) == 0
        assert run["unfinished_episode_steps"] == run["unfinished_episode_reward"] == 0
        assert run["timesteps_at_eval"].tolist() == [0, 4, 8, 12]
        assert {series.shape for series in run["metrics"].values()} == {(12,)}
        gaps = run["eval_metrics"]["oracle_gap"] + run["eval_episode_rewards"].mean(1)
        np.testing.assert_allclose(gaps, gaps[0])
    again = call("main.py", *arguments, "--verify")
    assert again.stdout == "".join(f"index {index}: equal\n" for index in range(3))


def test_the_best_snapshot_is_of_the_best_evaluation(tmp_path: Path) -> None:
    """`best` keeps the parameters of the evaluation of highest mean return, `final` the last."""
    call("main.py", *options(tmp_path, snapshots=["best", "final"]), "--index", "0")
    [run] = recorded(tmp_path)
    folder = tmp_path / "out" / EXPERIMENT / "snapshots"
    [best], [final] = (list(folder.rglob(f"*{moment}*")) for moment in ("best", "final"))
    scores = run["eval_episode_rewards"].mean(1)
    assert read_snapshot(best)[0]["step"] == run["timesteps_at_eval"][scores.argmax()]
    for name, array in read_snapshot(final)[1].items():
        np.testing.assert_array_equal(array, run["learned_params"][name])


def test_a_solver_is_compiled_where_that_is_asked_for(tmp_path: Path) -> None:
    """With --backend compile a description says so, and a run's experiment keeps to it."""
    training = ("main.py", *options(tmp_path), "--backend", "compile", "--index", "0")
    assert "backend compile" in call(*training, "--describe").stdout
    assert not (tmp_path / "out").exists()
    done = call(*training)
    assert done.returncode == 0, done.stderr
    [run] = recorded(tmp_path)
    assert (run["provenance"]["backend"], run["status"]) == ("compile", "completed")


def test_a_solver_is_not_compiled_for_a_gpu(tmp_path: Path) -> None:
    """A submission for GPUs is refused in the line that a run would say, before it is planned."""
    options(tmp_path)
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps({"scheduler": "local", "gpus": 1}))
    submitting = ["schedule.py", *scheduled(tmp_path, str(cluster))]
    submitting[submitting.index("--backend") + 1] = "compile"
    for last in ("--yes", "--dry-run"):
        done = call(*submitting, last)
        assert (done.returncode, done.stdout) == (2, "")
        line = done.stderr.splitlines()[-1]  # after what is said of a Slurm that is not there
        assert line.startswith("error: mc_pg is a solver, whose iterations are compiled for a CPU")
    assert not (tmp_path / "out").exists()


def test_packs_of_a_solver_are_described_as_they_would_run(tmp_path: Path) -> None:
    """--describe says that a solver's packs run eagerly, without training anything."""
    done = call("main.py", *options(tmp_path), "--index", "0-3", "--describe")
    assert (done.returncode, done.stderr) == (0, "")
    assert "backend eager" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"record": ["train_rewards", "metrics", "update_indices"]},
            "got train_rewards, update_indices",
        ),
        ({"overwrite_rewards": True, "rewards": {"timestep": -1.0}}, "got true, allowed"),
    ],
)
def test_what_a_solver_lacks_is_refused_in_a_line(
    asked: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """A spec that asks for what only training steps in the environment have is refused in one line
    that names the file, the key and the agent, by main.py and by schedule.py."""
    arguments = options(tmp_path, **asked)
    for refused in (
        call("main.py", *arguments, "--index", "0"),
        call("schedule.py", "--yes", *scheduled(tmp_path)),
    ):
        assert refused.returncode == 2
        [line] = refused.stderr.splitlines()
        assert f"{tmp_path / 'environment.json'}: {next(iter(asked))}: {told}" in line
        assert "(with mc_pg); hint: a solver " in line


def test_what_reads_records_copes_with_a_solvers(tmp_path: Path) -> None:
    """Combined records are the same runs, in whose table only the final evaluation has a return;
    --status counts them, and a learning curve is drawn of their evaluations."""
    call("main.py", *options(tmp_path), "--index", "0-3")
    root, runs = tmp_path / "out" / EXPERIMENT, recorded(tmp_path)
    assert call("simple_combine.py", str(root)).returncode == 0
    combined = open_data(root / "data.json")
    indices = [entry.load(OMITTED_FROM_JSON)["index"] for entry in combined.entries]
    assert indices == [run["index"] for run in runs]
    columns = table(combined)
    assert np.isnan(columns["mean_return"]).all()
    expected = [run["eval_episode_rewards"][-1].mean() for run in runs]
    np.testing.assert_allclose(columns["final_eval_return"], expected)
    status = call("schedule.py", "--status", str(tmp_path / "out"))
    assert status.returncode == 0
    assert EXPERIMENT in status.stdout
    plotted = call("utils/plot_mse_data.py", str(root), cwd=tmp_path)
    assert (plotted.returncode, plotted.stderr) == (0, "")
    assert all((tmp_path / path).is_file() for path in plotted.stdout.split())


def test_steps_of_a_solver_are_not_shown(tmp_path: Path) -> None:
    """--monitor with a solver is refused in a line."""
    done = call("main.py", *options(tmp_path), "--index", "0", "--monitor")
    assert done.returncode == 2
    assert "--monitor shows training steps, and mc_pg is a solver" in done.stderr
