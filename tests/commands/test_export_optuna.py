"""`nthrun export optuna`: a study that says what the records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from builders import make_experiment, make_run
from in_process import ended

from nthrun.__main__ import commands

NUM_SETTINGS = 4
SETTINGS: list[dict[str, Any]] = [
    {"lr": 1e-4, "units": [8], "steps": 1, "same": 3},
    {"lr": 1e-2, "units": [8, 8], "steps": 4, "same": 3},
    {"lr": 1e-3, "units": [8], "steps": 2, "same": 3},
    {"lr": 1e-3, "units": [8], "steps": 2, "same": 3, "only": "here"},
]


def recorded(folder: Path) -> Path:
    """An experiment of four settings and two runs of each, one of which diverged."""
    experiment = make_experiment(folder / "experiment", NUM_SETTINGS)
    for index in range(2 * NUM_SETTINGS):
        number, run_number = index % NUM_SETTINGS, index // NUM_SETTINGS
        run = make_run(
            index, number, run_number, [-float(index)] * 3, agent_params=SETTINGS[number]
        )
        if index == 7:
            run |= {"status": "diverged", "reason": "non-finite numbers at step 5"}
        experiment.write(0, [run])
    return experiment.root


def study_of(root: Path) -> optuna.Study:
    """The study that was written."""
    path = str(root / "logs" / "optuna.db")
    storage = str(sqlalchemy.URL.create("sqlite", database=path))
    [name] = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def test_a_study_has_the_settings_with_their_scores(tmp_path: Path) -> None:
    """A trial is a setting, with what varies, the mean of its runs, and whether one was lost."""
    root = recorded(tmp_path)
    for _ in range(2):  # the second replaces the first
        done = ended(commands, "export", "optuna", root)
        assert (done.code, done.out) == (0, f"{root / 'logs' / 'optuna.db'}: 4 trials\n"), done.err
    study = study_of(root)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    trials = study.get_trials()
    assert [trial.user_attrs["setting_number"] for trial in trials] == [0, 1, 2, 3]
    assert [trial.value for trial in trials] == [-2.0, -3.0, -4.0, None]
    assert trials[3].state == optuna.trial.TrialState.FAIL
    assert [trial.params["lr"] for trial in trials] == [1e-4, 1e-2, 1e-3, 1e-3]
    assert trials[1].params["units"] == "[8, 8]"
    assert "same" not in trials[0].params
    kinds = optuna.distributions
    assert trials[0].distributions["lr"] == kinds.FloatDistribution(1e-4, 1e-2, log=True)
    assert trials[0].distributions["steps"] == kinds.IntDistribution(1, 4)
    assert study.best_trial.user_attrs["scores"] == [0.0, -4.0]
    assert [file.name for file in (root / "logs").iterdir()] == ["optuna.db"]


def test_another_metric_goes_another_way(tmp_path: Path) -> None:
    """Times are the better the less they are."""
    root = recorded(tmp_path / "a?b#c")
    assert ended(commands, "export", "optuna", root, "--metric", "train_time").code == 0
    study = study_of(root)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.metric_names == ["train_time"]
    np.testing.assert_allclose(study.get_trials()[0].value, 1.5)


def test_what_cannot_be_exported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting has nothing to compare, and the package may be missing."""
    one = make_experiment(tmp_path / "one")
    one.write(0, [make_run(0, 0, 0)])
    done = ended(commands, "export", "optuna", one.root)
    assert (done.code, "there is one setting" in done.err) == (2, True)
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: None)
    done = ended(commands, "export", "optuna", one.root)
    assert "export optuna: the package optuna is not installed" in done.err
