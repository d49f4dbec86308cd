"""Laws of step-weighted curves, their bootstrap band and the choice of the best setting."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run
from scipy.stats import bootstrap

from nthrun.analysis.curves import (
    best_setting,
    learning_curve,
    mean_over_runs,
    percentile_bootstrap,
)
from nthrun.analysis.figures.reading import entries_of
from nthrun.errors import DataFileError
from nthrun.records import Data, open_data
from nthrun.records.schema import Run


def opened(root: Path, num_settings: int, runs: Sequence[Run]) -> Data:
    """The data of a new experiment with these runs."""
    return open_data(make_experiment(root, num_settings, runs=runs).root)


class TestPercentileBootstrap:
    def test_coverage(self) -> None:
        """95 % intervals of 30 normal runs cover the true mean in 90 to 99 % of cases."""
        samples = np.random.default_rng(1).normal(3.0, 2.0, (30, 1000))
        low, high = percentile_bootstrap(samples, num_resamples=2000)
        assert 0.90 <= ((low <= 3.0) & (high >= 3.0)).mean() <= 0.99

    def test_scipy_agrees(self) -> None:
        """The bounds are scipy's, but for the chance in resampling."""
        sample = np.random.default_rng(2).exponential(size=(25, 1))
        ours = np.ravel(percentile_bootstrap(sample, 0.9))
        theirs = bootstrap(
            (sample[:, 0],), np.mean, confidence_level=0.9, method="percentile", rng=3
        ).confidence_interval
        np.testing.assert_allclose(ours, theirs, atol=0.02)

    def test_seed(self) -> None:
        """The same seed gives the same bits, another seed another band."""
        curves = np.random.default_rng(3).normal(size=(10, 7))
        first, again = (percentile_bootstrap(curves, num_resamples=200, seed=4) for _ in range(2))
        other = percentile_bootstrap(curves, num_resamples=200, seed=5)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_points_are_independent(self) -> None:
        """A point's interval does not depend on which other points there are."""
        curves = np.random.default_rng(6).normal(size=(8, 600))
        whole = np.array(percentile_bootstrap(curves))
        np.testing.assert_allclose(whole[:, 590:], percentile_bootstrap(curves[:, 590:]))

    def test_one_run(self) -> None:
        """One run is both bounds itself."""
        low, high = percentile_bootstrap(np.array([[1.0, 2.0, np.nan]]))
        np.testing.assert_array_equal(low, [1.0, 2.0, np.nan])
        np.testing.assert_array_equal(high, low)

    def test_missing_values(self) -> None:
        """Runs without a finite value at a point are left out there, and only there."""
        curves = np.random.default_rng(7).normal(size=(6, 3))
        holed = np.vstack([curves, np.full(3, np.nan), np.full(3, -np.inf)])
        holed[0, 1] = np.nan
        band = np.array(percentile_bootstrap(holed))
        np.testing.assert_array_equal(
            band[:, [0, 2]], np.array(percentile_bootstrap(curves))[:, [0, 2]]
        )
        np.testing.assert_array_equal(band[:, [1]], percentile_bootstrap(curves[1:, [1]]))

    def test_memory(self) -> None:
        """10,000 resamples of 30 runs at 500 points take less than 200 MiB."""
        tracemalloc.start()
        percentile_bootstrap(np.zeros((30, 500)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200 * 2**20


def test_mean_over_runs() -> None:
    """The mean is over the runs that have a value; where none has, there is none."""
    curves = np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.inf]])
    np.testing.assert_array_equal(mean_over_runs(curves), [2.0, 4.0, np.nan])


class TestBestSetting:
    def test_step_weighted(self, tmp_path: Path) -> None:
        """Many short good episodes do not outweigh a long bad one: steps count, not episodes."""
        runs = [
            make_run(0, 0, 0, [0.0] * 9 + [-100.0], [1] * 9 + [91]),  # mean over episodes -10
            make_run(1, 1, 0, [-50.0] * 10, [10] * 10),  # mean over episodes -50
        ]
        best = best_setting(opened(tmp_path, 2, runs))
        assert (best.setting_number, best.mean) == (1, -50.0)

    def test_mean_over_runs(self, tmp_path: Path) -> None:
        """A setting is as good as its runs are on average, however many they are."""
        runs = [make_run(0, 0, 0, [-4.0], [10]), make_run(2, 0, 1, [-2.0], [900])]
        runs += [make_run(1, 1, 0, [-2.9], [5])]
        assert best_setting(opened(tmp_path, 2, runs)).mean == -2.9

    @pytest.mark.parametrize("status", ["diverged", "failed", "pruned"])
    def test_lost_run(self, tmp_path: Path, status: str) -> None:
        """A run that stopped early does not win by the returns it had until then."""
        runs = [
            make_run(0, 0, 0, [-1.0], [10], status=status),
            make_run(2, 0, 1, [-1.0], [300]),
            make_run(1, 1, 0, [-9.0], [300]),
        ]
        best = best_setting(opened(tmp_path, 2, runs))
        assert (best.setting_number, best.num_runs, best.num_lost) == (1, 1, 0)

    def test_all_lost_some(self, tmp_path: Path) -> None:
        """Where every setting lost runs, the smallest share wins and is reported."""
        runs = [make_run(0, 0, 0, [-1.0], [10], status="diverged"), make_run(1, 1, 0, [-5.0], [10])]
        runs += [make_run(n, 1, n // 2, [-2.0], [9], status="failed") for n in (3, 5)]
        best = best_setting(opened(tmp_path, 2, runs))
        assert (best.setting_number, best.num_runs, best.num_lost) == (1, 3, 2)
        assert best.mean == -5.0

    def test_no_episode(self, tmp_path: Path) -> None:
        """A setting without a finished episode is passed over; a run without one is lost."""
        runs = [make_run(0, 0, 0, [], [])]
        runs += [make_run(1, 1, 0, [-1.0], [10]), make_run(4, 1, 1, [], [])]
        runs += [make_run(2, 2, 0, [-7.0], [10])]
        assert best_setting(opened(tmp_path, 3, runs)).setting_number == 2

    def test_ties(self, tmp_path: Path) -> None:
        """Of equal settings the lowest number wins."""
        runs = [make_run(n, n, 0) for n in (3, 1, 2)]
        assert best_setting(opened(tmp_path, 4, runs)).setting_number == 1

    def test_stages(self, tmp_path: Path) -> None:
        """Stages are compared apart; None is the lowest one recorded."""
        runs = [make_run(n, n, 0, [float(n)], [10]) for n in range(2)]
        runs += [make_run(n, n, 0, [-float(n)], [10], stage=1) for n in range(2)]
        data = opened(tmp_path, 2, runs)
        assert best_setting(data) == best_setting(data, 0)
        assert [best_setting(data, stage).setting_number for stage in (0, 1)] == [1, 0]
        with pytest.raises(DataFileError, match=r"no run of stage 2; hint: .* 0, 1"):
            best_setting(data, 2)

    def test_nothing_to_choose(self, tmp_path: Path) -> None:
        """No runs, or no finished episode, is an error that says what to do."""
        with pytest.raises(DataFileError, match=r"holds no runs; hint: train"):
            best_setting(opened(tmp_path / "empty", 1, []))
        with pytest.raises(DataFileError, match=r"no run .* finished .*; hint: train for longer"):
            best_setting(opened(tmp_path / "short", 1, [make_run(0, 0, 0, [], [])]))

    def test_repeated_record(self, tmp_path: Path) -> None:
        """A run recorded twice counts once."""
        runs = [make_run(0, 0, 0, [-2.0], [10]), make_run(1, 0, 1, [-4.0], [10])]
        experiment = make_experiment(tmp_path, runs=runs)
        experiment.write(0, runs[:1])
        data = open_data(experiment.root)
        assert best_setting(data).num_runs == 2
        assert learning_curve(data).indices == (0, 1)


class TestSolvers:
    def test_best_setting(self, tmp_path: Path) -> None:
        """Without training episodes the setting of the highest mean evaluation wins, each weighted
        by the steps since the one before, the first by none."""
        runs = [
            make_solver_run(0, 0, 0, [9.0, 1.0, 5.0], [0, 100, 110]),
            make_solver_run(1, 1, 0, [-9.0, 4.0, 0.0], [0, 100, 110]),
        ]
        best = best_setting(opened(tmp_path, 2, runs))
        assert best.setting_number == 1
        assert best.mean == pytest.approx(400 / 110)

    def test_lost_run(self, tmp_path: Path) -> None:
        """A run whose evaluations are not finite is lost."""
        runs = [make_solver_run(0, 0, 0, [-1.0, np.nan], [0, 9]), make_solver_run(1, 1, 0)]
        runs += [make_solver_run(2, 0, 1, [0.0, 0.0], [0, 9])]
        assert best_setting(opened(tmp_path, 2, runs)).setting_number == 1

    def test_curve(self, tmp_path: Path) -> None:
        """An evaluation's mean holds from the one before on to its own step."""
        found = learning_curve(opened(tmp_path, 1, [make_solver_run(0, 0, 0, at=[0, 2, 5])]))
        assert found.grid.tolist() == [1, 2, 3, 4, 5]
        assert found.mean.tolist() == [-3.0, -3.0, -1.0, -1.0, -1.0]
        assert found.quantity == "evaluation return"

    def test_training_comes_first(self, tmp_path: Path) -> None:
        """Where any run of the stage has a training episode, returns of training are compared, and
        a run without one is lost."""
        runs = [make_solver_run(0, 0, 0, [5.0, 5.0, 5.0]), make_run(1, 1, 0, [-7.0], [10])]
        runs += [make_solver_run(0, 0, 0, stage=1), make_solver_run(1, 1, 0, stage=1)]
        data = opened(tmp_path, 2, runs)
        assert best_setting(data, 0).setting_number == 1
        assert learning_curve(data, stage=0).quantity == "return (step-weighted)"
        assert learning_curve(data, stage=1).quantity == "evaluation return"

    def test_metric(self, tmp_path: Path) -> None:
        """A metric of evaluations is shown by its name, of the best setting by it, and runs
        without it have no values; one that nobody recorded is an error that names those there
        are."""
        gap = {"oracle_gap": np.array([9.0, 4.0, 2.0])}
        runs = [
            make_solver_run(0, 0, 0, [-9.0] * 3),
            make_solver_run(1, 1, 0, at=[0, 1, 3], eval_metrics=gap),
            make_solver_run(3, 1, 1, at=[0, 1, 3]),
        ]
        data = opened(tmp_path, 2, runs)
        found = learning_curve(data, metric="oracle_gap")
        assert (found.setting_number, found.quantity) == (1, "oracle_gap")
        assert found.runs[0].tolist() == found.mean.tolist() == [4.0, 2.0, 2.0]
        assert np.isnan(found.runs[1]).all()
        with pytest.raises(DataFileError, match=r"no run has metric 'x'; hint: .* oracle_gap"):
            learning_curve(data, metric="x")

    def test_best_by_metric(self, tmp_path: Path) -> None:
        """The best setting is the best by the metric shown where its direction is known, else by
        the search's metric and goal."""
        runs = [
            make_run(
                *(n, n, 0, [float(n)], [200]),
                eval_metrics={"oracle_gap": np.full(3, gap), "r": np.full(3, float(n))},
            )
            for n, gap in enumerate([3.0, 1.0, 2.0])
        ]
        root = make_experiment(tmp_path, 3, runs=runs).root
        manifest = json.loads((root / "manifest.json").read_text())
        assert learning_curve(open_data(root)).setting_number == 2
        assert learning_curve(open_data(root), metric="oracle_gap").setting_number == 1
        manifest["agent"]["search"] = {"metric": "r", "goal": "minimize"}
        (root / "manifest.json").write_text(json.dumps(manifest))
        data = open_data(root)
        assert learning_curve(data).setting_number == 0
        assert learning_curve(data, metric="r").setting_number == 0
        assert learning_curve(data, metric="return").setting_number == 2
        assert learning_curve(data, metric="oracle_gap").setting_number == 1
        assert best_setting(data, metric="oracle_gap").mean == 1.0
        assert {entry.identity.setting_number for entry in entries_of(data)} == {0}

    def test_metric_without_values(self, tmp_path: Path) -> None:
        """A metric that is NaN in every run is an error that names it and says nothing of
        training episodes."""
        nowhere = {"oracle_gap": np.full(3, np.nan)}
        data = opened(tmp_path, 1, [make_solver_run(0, 0, 0, eval_metrics=nowhere)])
        with pytest.raises(DataFileError, match="a finite value of 'oracle_gap'") as caught:
            learning_curve(data, metric="oracle_gap")
        [line] = caught.value.lines()
        assert "episode" not in line

    @pytest.mark.parametrize("at", [[0], []])
    def test_no_later_evaluation(self, tmp_path: Path, at: list[int]) -> None:
        """Without an evaluation after the first step there is nothing to show, which is said."""
        run = make_solver_run(0, 0, 0, [1.0] * len(at), at, total_timesteps=1)
        with pytest.raises(DataFileError, match=r"evaluation after .* hint: .*eval_interval"):
            learning_curve(opened(tmp_path, 1, [run]))


class TestLearningCurve:
    def test_different_lengths(self, tmp_path: Path) -> None:
        """All runs count to the end of the longest; a shorter one keeps its last return."""
        runs = [make_run(0, 0, 0, [2.0], [2]), make_run(1, 0, 1, [4.0, 6.0], [3, 1])]
        found = learning_curve(opened(tmp_path, 1, runs))
        assert found.grid.tolist() == [1, 2, 3, 4]
        assert found.runs.tolist() == [[2.0] * 4, [4.0, 4.0, 4.0, 6.0]]
        assert found.mean.tolist() == [3.0, 3.0, 3.0, 4.0]
        assert found.low.tolist() == [2.0] * 4

    def test_one_run(self, tmp_path: Path) -> None:
        """The curve of one run is its own mean and band."""
        found = learning_curve(opened(tmp_path, 1, [make_run(0, 0, 0)]))
        for series in (found.mean, found.low, found.high):
            np.testing.assert_array_equal(series, found.runs[0])

    def test_run_without_episode(self, tmp_path: Path) -> None:
        """A run without a finished episode is listed, and changes neither mean nor band."""
        runs = [make_run(n, 0, n, [float(n)], [20]) for n in range(3)]
        alone = learning_curve(opened(tmp_path / "alone", 1, runs))
        runs.append(make_run(3, 0, 3, [], [], status="failed"))
        found = learning_curve(opened(tmp_path / "with", 1, runs))
        assert found.statuses == ("completed",) * 3 + ("failed",)
        assert np.isnan(found.runs[3]).all()
        np.testing.assert_array_equal(found.mean, alone.mean)
        np.testing.assert_array_equal(found.low, alone.low)

    def test_chosen_setting(self, tmp_path: Path) -> None:
        """The best setting is drawn unless another is asked for; one without runs is an error."""
        runs = [make_run(n, n % 4, n // 4, [float(n % 4)], [20]) for n in (0, 1, 2, 4, 5, 6)]
        data = opened(tmp_path, 4, runs)
        assert learning_curve(data).indices == (2, 6)
        assert learning_curve(data, setting=0).indices == (0, 4)
        with pytest.raises(DataFileError, match=r"no run of setting 3 .*; hint:"):
            learning_curve(data, setting=3)
