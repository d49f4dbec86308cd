"""Laws of the summary of a search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from builders import make_experiment, make_run

from nthrun.analysis.intervals import student_interval
from nthrun.analysis.summary import summarise
from nthrun.records import open_data


def test_all_lost(tmp_path: Path) -> None:
    """Settings without a completed run have no value, however far their runs came, and none of
    them is the best."""
    runs = [make_run(n, n, 0, status="diverged") for n in range(2)]
    found = summarise(open_data(make_experiment(tmp_path, 2, runs=runs).root))
    document = found.as_document()
    assert (document["best_config"], document["best_return"]) == (None, None)
    assert [one["metrics"]["best_return"] for one in document["results"]] == [None, None]


def test_best(tmp_path: Path) -> None:
    """The best setting is one with a completed run, and its value is their mean."""
    runs = [make_run(0, 0, 0, [9.0], [10], status="diverged")]
    runs += [make_run(1, 1, 0, [-3.0], [10]), make_run(3, 1, 1, [-1.0], [10])]
    document = summarise(open_data(make_experiment(tmp_path, 2, runs=runs).root)).as_document()
    assert document["best_return"] == -2.0


def test_equals_and_intervals(tmp_path: Path) -> None:
    """It names the settings that are as good as the best, and its interval of the best is one of
    all settings at once, which it says."""
    values = {0: [-9.0, -7.0, -8.0], 1: [-1.0, -2.0, -4.0], 2: [-4.0, -1.0, -2.0]}
    runs = [
        make_run(3 * run + setting, setting, run, [value], [100])
        for setting, of_setting in values.items()
        for run, value in enumerate(of_setting)
    ]
    summary = summarise(open_data(make_experiment(tmp_path, 3, runs=runs).root))
    document = summary.as_document()
    assert document["same_mean_as_best"] == [2]
    low, high = student_interval(np.array(values[1])[:, None], 1 - 0.05 / 3)
    assert document["best_interval"] == {
        "low": low[0],
        "high": high[0],
        "what": "at least 95 % Student interval for any of 3 settings",
        "biased": True,
    }
    assert [each.num_settings for each in summary.top] == [3, 3, 3]


def test_numbers_without_an_interval(tmp_path: Path) -> None:
    """Where bounds are beyond what a float holds there are none, as JSON has no word for them."""
    runs = [make_run(n, n % 2, n // 2, [(-1) ** n * 1e200 * n], [100]) for n in range(6)]
    with np.errstate(over="ignore"):
        found = summarise(open_data(make_experiment(tmp_path, 2, runs=runs).root))
    document = found.as_document()
    assert (document["best_return"], document["best_interval"]) == (2e200, None)
    json.dumps(document, allow_nan=False)


def test_pruned(tmp_path: Path) -> None:
    """Pruned runs are counted, and are no lost ones; the step of the comparison is told."""
    runs = [make_run(0, 0, 0, [-9.0, 0.0], [100, 100])]
    runs += [make_run(1, 1, 0, [-5.0], [100], status="pruned")]
    document = summarise(open_data(make_experiment(tmp_path, 2, runs=runs).root)).as_document()
    assert document["search_config"]["compared_up_to"] == 100
    assert document["search_config"]["runs"] == {"completed": 1, "pruned": 1}
    best = document["results"][0]
    assert (best["trial_num"], best["success"], best["metrics"]["best_return"]) == (1, True, -5.0)
    assert (best["metrics"]["num_lost"], best["metrics"]["num_pruned"]) == (0, 1)
    assert document["best_interval"] is None
