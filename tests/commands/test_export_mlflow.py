"""`nthrun export mlflow`: a database that says what the records say, to MLflow's own client."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from builders import make_experiment, make_run
from hypothesis import given
from hypothesis import strategies as st
from in_process import ended
from processes import ROOT

from nthrun.__main__ import commands
from nthrun.commands import export_mlflow
from nthrun.commands.exported_rows import sqlite_address
from nthrun.records.data import open_data

SAC = ROOT / "tests/data/records_of_before/SAC-Softmax-discrete/save/Pendulum-v0_SAC_Softmax"
MISSING = "MLflow is no test requirement: it brings a server and what that needs"


def client_of(root: Path) -> Any:
    """MLflow's client of what was exported; skips where there is none."""
    mlflow = pytest.importorskip("mlflow", reason=MISSING)
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{root}/logs/mlflow.db")


def test_a_database_has_what_the_records_have(tmp_path: Path) -> None:
    """Hyperparameters, evaluations, episodes and metrics at their steps; a second export replaces
    the first."""
    pytest.importorskip("mlflow", reason=MISSING)
    root = shutil.copytree(SAC, tmp_path / "experiment")
    for _ in range(2):
        done = ended(commands, "export", "mlflow", root)
        assert (done.code, done.out) == (0, f"{root / 'logs' / 'mlflow.db'}: 2 runs\n"), done.err
    assert [file.name for file in (root / "logs").iterdir()] == ["mlflow.db"]
    client = client_of(root)
    number = client.get_experiment_by_name("experiment").experiment_id
    runs = {int(run.data.tags["index"]): run for run in client.search_runs([number])}
    for entry in open_data(root).entries:
        record = entry.load(())
        run = runs[record["index"]]
        assert (run.info.status, run.data.params["tau"]) == ("FINISHED", "0.005")
        assert run.data.params["betas"] == "[0.9, 0.999]"
        found = client.get_metric_history(run.info.run_id, "eval/return")
        assert [point.step for point in found] == record["timesteps_at_eval"].tolist()
        wanted = record["eval_episode_rewards"].mean(1)
        np.testing.assert_allclose([point.value for point in found], wanted)
        losses = client.get_metric_history(run.info.run_id, "metrics/critic_loss")
        assert len(losses) == len(record["metrics"]["critic_loss"])


def test_runs_that_were_lost_have_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a run ended is told, and names that MLflow does not take are written otherwise, no two
    alike; the folder of temporary files may have any name."""
    pytest.importorskip("mlflow", reason=MISSING)
    experiment = make_experiment(tmp_path / "a#b")
    lost = {"status": "diverged", "reason": "non-finite numbers at step 5"}
    names = {"l\u00e4rm!": 1, "l\u00e5rm?": 2, "l_rm_": 3}
    experiment.write(0, [make_run(0, 0, 0, agent_params=names) | lost])
    (tmp_path / "c?d#%41").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "c?d#%41"))
    done = ended(commands, "export", "mlflow", experiment.root)
    assert done.code == 0, done.err
    shutil.copytree(experiment.root / "logs", tmp_path / "copy" / "logs")
    client = client_of(tmp_path / "copy")
    told = {"l_rm_": "3", "l_rm__2": "1", "l_rm__3": "2"}
    [run] = client.search_runs([client.get_experiment_by_name("a_b").experiment_id])
    assert (run.info.status, run.data.params) == ("FAILED", told)
    assert run.data.tags["reason"] == lost["reason"]


@given(st.lists(st.text("aå\u00e4_!", min_size=1, max_size=4), unique=True, max_size=9))
def test_no_two_names_become_one(names: list[str]) -> None:
    """Names are those that MLflow takes, as many as there were, and those it takes as they are."""
    told = export_mlflow._names(names)
    assert sorted(told) == sorted(names)
    assert len(set(told.values())) == len(names)
    for name, own in told.items():
        assert re.fullmatch(r"[a_\d]+", own)
        assert own == name or not re.fullmatch("[a_]+", name)


@pytest.mark.parametrize("folder", ["a?b", "a#b", "a%41", "a b", "\u00e4"])
def test_a_database_has_the_address_of_its_path(folder: str) -> None:
    """Whatever the names of its folders have in them."""
    path = Path("/", folder, "mlflow.db")
    assert sqlalchemy.make_url(sqlite_address(path)).database == str(path)


def test_without_the_package_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named."""
    experiment = make_experiment(tmp_path / "one")
    experiment.write(0, [make_run(0, 0, 0)])
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: None)
    done = ended(commands, "export", "mlflow", experiment.root)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "export mlflow: the package mlflow is not installed; hint: pip install" in done.err
