"""Laws of the summary of a search."""

from __future__ import annotations

from pathlib import Path

from builders import make_experiment, make_run

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
