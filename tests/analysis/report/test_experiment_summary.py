"""Laws of the summary of an experiment: stages apart, and counts of runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis.report.report_sweep import summary_of, sweep
from builders import make_experiment, make_run, make_solver_run
from processes import ROOT

from nthrun.analysis.estimates import estimate, sample
from nthrun.analysis.report.experiment_summary import (
    Question,
    count_stages,
    num_settings,
    summarise,
)
from nthrun.analysis.scores import read_scores
from nthrun.index import MAX_INDICES, MAX_RUN_NUMBER, parse_indices
from nthrun.records import Data, open_data


class TestStages:
    def test_never_mixed(self, tmp_path: Path) -> None:
        """What chooses is the same with and without runs of another stage, whose estimate is made
        of them alone."""
        with_others, alone = (
            summary_of(sweep(tmp_path / name, confirmed=confirmed))
            for name, confirmed in (("a", True), ("b", False))
        )
        assert with_others.choice and alone.choice
        assert with_others.choice.contenders == alone.choice.contenders
        assert with_others.choice.estimates == alone.choice.estimates
        apart = read_scores(with_others.data, stage=1)
        assert with_others.other_stages == {1: estimate(sample(apart, 4))}
        assert alone.other_stages == {}

    def test_asked_for(self, tmp_path: Path) -> None:
        """The stage asked for chooses, and the others stand beside it."""
        found = summary_of(sweep(tmp_path / "e"), stage=1)
        assert (found.stage, list(found.other_stages)) == (1, [0])

    def test_not_confirmed(self, tmp_path: Path) -> None:
        """A stage without runs of the best setting confirms nothing."""
        runs = [make_run(n, n, 0, [float(-n)], [10]) for n in range(2)]
        runs.append(make_run(1, 1, 0, stage=1))
        assert summary_of(make_experiment(tmp_path, 2, runs=runs).root).other_stages == {1: None}

    def test_oracle_gap(self, tmp_path: Path) -> None:
        """The gap is that of the best setting, and there is none where none was recorded."""
        gap = {"oracle_gap": np.array([9.0, 4.0, 2.0])}
        runs = [make_solver_run(n, 0, n, eval_metrics=gap) for n in range(2)]
        found = summary_of(make_experiment(tmp_path / "a", runs=runs).root).gap()
        assert found and found.value == 3.0
        assert summary_of(sweep(tmp_path / "b")).gap() is None


class TestCounts:
    def test_sweep(self, tmp_path: Path) -> None:
        """Recorded and missing runs add up to those expected, and the missing are named."""
        first, second = count_stages(open_data(sweep(tmp_path / "e")), None)
        assert (first.num_expected, first.num_runs, first.num_missing) == (18, 17, 1)
        assert first.statuses == {"completed": 16, "diverged": 1, "pruned": 0, "failed": 0}
        assert parse_indices(first.missing) == (15,)
        assert (second.num_expected, second.num_runs, second.missing) == (3, 3, "")

    def test_settings_without_runs(self) -> None:
        """Settings that the sweep has and nobody has run are missing, each run of them."""
        whole = open_data(ROOT / "docs/demo/MountainCar-v0_SoftmaxAC.json")
        few = Data(whole.source, whole["experiment"], whole.entries[:7])
        [count] = summarise("few", few, Question()).counts
        assert (count.num_settings, count.num_repeats) == (24, 5)
        assert (count.num_runs, count.num_missing) == (7, 113)
        assert parse_indices(count.missing)[:2] == (2, 3)

    @pytest.mark.parametrize("run", [MAX_RUN_NUMBER, MAX_INDICES // 2])
    def test_far_runs(self, tmp_path: Path, run: int) -> None:
        """Of a run with the highest number there is, the missing are counted, and not listed."""
        runs = [make_run(1, 1, 0), make_run(2 * run, 0, run)]
        [count] = count_stages(open_data(make_experiment(tmp_path, 2, runs=runs).root), None)
        assert (count.num_expected, count.num_runs) == (2 * (run + 1), 2)
        assert (count.num_missing, count.missing) == (2 * run, "")

    def test_reasons(self, tmp_path: Path) -> None:
        """Reasons that differ in numbers only are counted together; all are counted."""
        told = ["non-finite at step 7", "non-finite at step 12", "disk 3 is full", ""]
        runs = [make_run(n, 0, n, status="diverged", reason=why) for n, why in enumerate(told)]
        [count] = count_stages(open_data(make_experiment(tmp_path, runs=runs).root), None)
        assert count.reasons == {
            "diverged: non-finite at step …": 2,
            "diverged: disk 3 is full": 1,
            "diverged: no reason recorded": 1,
        }

    def test_repeated_record(self, tmp_path: Path) -> None:
        """A run that was recorded twice, with other numbers, counts once."""
        experiment = make_experiment(tmp_path, runs=[make_run(0, 0, 0, [-1.0], [10])])
        experiment.write(0, [make_run(0, 0, 0, [-2.0], [10])])
        [count] = count_stages(open_data(experiment.root), None)
        assert count.num_runs == count.num_expected == 1

    @pytest.mark.parametrize(
        ("index", "setting", "run", "number"), [(17, 3, 2, 7), (3, 3, 0, None), (36, 0, 1, 36)]
    )
    def test_settings_from_indices(
        self, index: int, setting: int, run: int, number: int | None
    ) -> None:
        """A run that is not the first of its setting tells how many settings there are."""
        columns = (np.array([value]) for value in (index, setting, run))
        assert num_settings(*columns, None) == number
