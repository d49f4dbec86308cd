"""Importances of hyperparameters, by Optuna's fANOVA."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from builders import make_experiment, make_run
from in_process import ended

from nthrun.__main__ import commands
from nthrun.analysis import optuna_trials
from nthrun.analysis.optuna_trials import importance_text, importances
from nthrun.analysis.scores import read_scores
from nthrun.records.data import open_data

MISSING = "scikit-learn is no test requirement"
TEXT = "share of the variance over settings that each explains alone (fANOVA): "


def swept(folder: Path) -> Path:
    """A sweep in which lr decides nearly all, units little, and kind nothing."""
    settings = [
        {"lr": lr, "units": units, "kind": kind}
        for lr, units, kind in product((1e-4, 1e-3, 1e-2), ([8], [8, 8]), ("a", "b"))
    ]
    experiment = make_experiment(folder / "experiment", len(settings))
    for number, setting in enumerate(settings):
        value = 100 * setting["lr"] + 0.1 * len(setting["units"])
        experiment.write(0, [make_run(number, number, 0, [value] * 3, agent_params=setting)])
    return experiment.root


def test_what_decides_is_important(tmp_path: Path) -> None:
    """Shares are ordered by what hyperparameters do, and best and the report tell them."""
    pytest.importorskip("sklearn", reason=MISSING)
    root = swept(tmp_path)
    scores = read_scores(open_data(root))
    found = importances(scores)
    assert list(found) == ["lr", "units", "kind"]
    assert found["lr"] > 0.9 and found["kind"] < 0.01
    assert importances(scores) == found  # the forest is the same again
    text = importance_text(scores)
    assert text.startswith(f"{TEXT}lr 0.9")
    assert text in ended(commands, "best", root, "--no-write").out
    assert ended(commands, "report", root, "--out", tmp_path / "page.html").code == 0
    assert "that each explains alone (fANOVA): lr 0.9" in (tmp_path / "page.html").read_text()


def test_without_the_packages_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not installed is not asked for, neither by best nor by the report."""
    monkeypatch.setattr(optuna_trials, "find_spec", lambda name: None)
    root = swept(tmp_path)
    done = ended(commands, "best", root, "--no-write")
    assert (done.code, "fANOVA" in done.out) == (0, False), done.err
    assert ended(commands, "report", root, "--out", tmp_path / "page.html").code == 0
    assert "fANOVA" not in (tmp_path / "page.html").read_text()


def test_settings_that_tell_nothing(tmp_path: Path) -> None:
    """Of equal scores, or of few settings, there are no importances."""
    experiment = make_experiment(tmp_path / "experiment", 5)
    for number in range(5):
        run = make_run(number, number, 0, [1.0] * 3, agent_params={"lr": float(number)})
        experiment.write(0, [run])
    assert not importances(read_scores(open_data(experiment.root)))
