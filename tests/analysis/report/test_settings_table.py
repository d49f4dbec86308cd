"""Laws of the table of settings."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis.report.report_sweep import NUM_SETTINGS, summary_of, sweep
from builders import make_experiment, make_run

from nthrun.analysis.choice import choose
from nthrun.analysis.estimates import estimate_of_chosen
from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report.settings_table import as_csv, settings_table
from nthrun.analysis.scores import read_scores
from nthrun.records import open_data


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The table of settings, column -> cell."""
    summary = summary_of(path)
    table = settings_table(ranked_settings(summary.scores), summary.choice)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_rows(tmp_path: Path) -> None:
    """Settings stand by their rank, those that lost runs last, with Student's intervals that hold
    for all of them at once, of the best the one that it has everywhere, and all their runs
    counted."""
    path = sweep(tmp_path / "e")
    rows = rows_of(path)
    assert [row["setting"] for row in rows] == [4, 3, 2, 1, 0, 5]
    assert [row["rank"] for row in rows] == list(range(1, NUM_SETTINGS + 1))
    assert [(row["runs"], row["lost"]) for row in rows[-1:]] == [(3, 1)]
    scores = read_scores(open_data(path), stage=0)
    for row in rows:
        wanted = estimate_of_chosen(scores, row["setting"], NUM_SETTINGS)
        np.testing.assert_allclose(
            [row["mean"], row["low"], row["high"]],
            [wanted.value, wanted.low, wanted.high],
            rtol=1e-5,
        )
    assert sum(row["chosen_again"] for row in rows) == pytest.approx(1)


def test_one_run_each(tmp_path: Path) -> None:
    """Of one run a setting there is neither an interval nor a chance of being chosen again."""
    runs = [make_run(n, n, 0) for n in range(3)]
    for row in rows_of(make_experiment(tmp_path, 3, runs=runs).root):
        assert row["low"] is row["high"] is None
        assert "chosen_again" not in row


def test_hyperparameters_of_any_name_have_columns_of_their_own(tmp_path: Path) -> None:
    """One that is named as a column of the table takes the place of none."""
    setting = {"mean": 7, "parameter.mean": 8, "experiment": 9, "chosen_again": 1, "lr": 0.5}
    runs = [make_run(0, 0, 0, [1.0] * 3, agent_params=setting)]
    scores = read_scores(open_data(make_experiment(tmp_path, 1, runs=runs).root))
    head, row = csv.reader(as_csv([scores], [choose(scores)]).splitlines())
    assert len(set(head)) == len(head)
    table = dict(zip(head, row, strict=True))
    assert (table["experiment"], table["mean"], table["lr"]) == (scores.source, "1.0", "0.5")
    assert table["chosen_again"] == ""
    hidden = ("parameter.mean", "parameter.parameter.mean", "parameter.experiment")
    assert [table[name] for name in hidden] == ["7", "8", "9"]
    assert table["parameter.chosen_again"] == "1"
