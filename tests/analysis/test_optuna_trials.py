"""Importances of hyperparameters, by Optuna's fANOVA."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment, make_run
from in_process import ended

from nthrun.__main__ import commands
from nthrun.analysis import optuna_trials
from nthrun.analysis.optuna_trials import LEAST_SETTINGS, importance_text, importances
from nthrun.analysis.scores import read_scores
from nthrun.records.data import open_data
from nthrun.records.schema import Run

TEXT = "share of the variance over settings that each explains alone (fANOVA): "


def swept(folder: Path) -> Path:
    """A sweep in which lr decides nearly all, units little, and kind nothing."""
    settings = [
        {"lr": lr, "units": units, "kind": kind}
        for lr, units, kind in product((1e-4, 1e-3, 1e-2), ([8], [8, 8]), ("a", "b"))
    ]
    values = [100 * setting["lr"] + 0.1 * len(setting["units"]) for setting in settings]
    return scored(folder / "experiment", settings, values)


def scored(folder: Path, settings: Sequence[dict[str, Any]], values: Sequence[float]) -> Path:
    """An experiment of settings and their scores; NaN where the run was lost."""
    experiment = make_experiment(folder, len(settings))
    for number, (setting, value) in enumerate(zip(settings, values, strict=True)):
        run = make_run(number, number, 0, [value] * 3, agent_params=setting)
        lost = {"status": "diverged", "reason": "non-finite numbers at step 5"}
        experiment.write(0, [Run(run | lost) if np.isnan(value) else run])
    return experiment.root


def test_what_decides_is_important(tmp_path: Path) -> None:
    """Shares are ordered by what hyperparameters do; best and the report tell them where they are
    asked to, and take no time for them where not."""
    root = swept(tmp_path)
    scores = read_scores(open_data(root))
    found = importances(scores)
    assert list(found) == ["lr", "units", "kind"]
    assert found["lr"] > 0.9 and found["kind"] < 0.01
    text = importance_text(scores)
    assert text.startswith(f"{TEXT}lr 0.9")  # the forest is the same again
    assert text in ended(commands, "best", root, "--no-write", "--importance").out
    assert "fANOVA" not in ended(commands, "best", root, "--no-write").out
    page = tmp_path / "page.html"
    assert ended(commands, "report", root, "--out", page, "--importance").code == 0
    assert "that each explains alone (fANOVA): lr 0.9" in page.read_text()


def test_of_many_settings_some_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the most tell importances, be these too few to tell them."""
    monkeypatch.setattr(optuna_trials, "MOST_SETTINGS", LEAST_SETTINGS - 1)
    assert not importances(read_scores(open_data(swept(tmp_path))))


KINDS = [{"kind": "a", "x": 1}, {"kind": "a", "x": 2}, {"kind": "a", "y": 1}, {"kind": "a", "y": 2}]
RATES = [{"lr": float(number)} for number in range(5)]


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (RATES, [1.0] * 5),
        (RATES[:4], [1e-170, 0.0, 0.0, 0.0]),
        (RATES[:3], [1.0, 2.0, 3.0]),
        ([*KINDS, {"kind": "b", "y": 2}], [1.0, 2.0, 3.0, 4.0, np.nan]),
    ],
    ids=["equal", "hardly differing", "few", "constant among those not lost"],
)
def test_settings_that_tell_nothing(
    tmp_path: Path, settings: Sequence[dict[str, Any]], values: Sequence[float]
) -> None:
    """Where settings do not tell importances, that is said, and the choice is made as ever."""
    root = scored(tmp_path, settings, values)
    done = ended(commands, "best", root, "--no-write", "--importance")
    assert (done.code, "importances are not known: " in done.out) == (0, True), done.err


def test_without_the_packages_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for importances where they cannot be told is told what to install."""
    root = swept(tmp_path)
    broken = tmp_path / "packages" / "sklearn"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libgomp.so.1: cannot open')")
    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, "sklearn", raising=False)
        patched.syspath_prepend(broken.parent)
        done = ended(commands, "best", root, "--no-write", "--importance")
    assert (done.code, len(done.errors)) == (2, 1)
    assert "sklearn cannot be imported (ImportError: libgomp.so.1: cannot open); hint:" in done.err
    monkeypatch.setattr("nthrun.errors.find_spec", lambda name: None)
    done = ended(commands, "report", root, "--out", tmp_path / "page.html", "--importance")
    assert (done.code, len(done.errors)) == (2, 1)
    assert "--importance: the package optuna is not installed; hint: pip install" in done.err
