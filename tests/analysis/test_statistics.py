"""Laws of step-weighted curves, their bootstrap band and the choice of the best setting."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from nthrun.analysis.statistics import (
    best_setting,
    common_grid,
    learning_curve,
    mean_over_runs,
    percentile_bootstrap,
    step_weighted_curve,
)
from nthrun.errors import DataFileError
from nthrun.records import Data, open_data
from nthrun.records.schema import Run
from nthrun.records.table import step_weighted_return

EPISODES = st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 50)), min_size=1, max_size=20)


def curve(returns: Sequence[float], steps: Sequence[int], grid: Sequence[int]) -> np.ndarray:
    """`step_weighted_curve` of plain lists."""
    return step_weighted_curve(np.array(returns), np.array(steps, np.int64), np.array(grid))


def opened(root: Path, num_settings: int, runs: Sequence[Run]) -> Data:
    """The data of a new experiment with these runs."""
    return open_data(make_experiment(root, num_settings, runs=runs).root)


class TestStepWeightedCurve:
    def test_by_hand(self) -> None:
        """Each step has the return of its own episode, the first and last step included."""
        values = curve([10.0, 20.0, 30.0], [3, 2, 1], [1, 2, 3, 4, 5, 6])
        assert values.tolist() == [10.0, 10.0, 10.0, 20.0, 20.0, 30.0]

    def test_carried_forward(self) -> None:
        """Beyond the last finished episode its return holds."""
        assert curve([1.0, 2.0], [2, 2], [4, 5, 1000]).tolist() == [2.0, 2.0, 2.0]

    def test_no_value(self) -> None:
        """Without an episode, and before the first step, there is no value."""
        assert np.isnan(curve([], [], [1, 2, 3])).all()
        assert np.isnan(curve([5.0], [4], [0, 1])).tolist() == [True, False]

    def test_nan_return(self) -> None:
        """An episode whose return is NaN is NaN at its own steps and nowhere else."""
        values = curve([1.0, np.nan, 3.0], [2, 2, 2], [1, 2, 3, 4, 5, 6])
        assert np.isnan(values).tolist() == [False, False, True, True, False, False]

    @given(EPISODES)
    def test_mean_is_step_weighted_return(self, episodes: list[tuple[float, int]]) -> None:
        """The mean over every step is the step-weighted return."""
        returns, steps = (np.array(column) for column in zip(*episodes, strict=True))
        values = step_weighted_curve(returns, steps, np.arange(1, steps.sum() + 1))
        assert values.mean() == pytest.approx(step_weighted_return(returns, steps), abs=1e-9)

    @given(EPISODES, st.integers(1, 5))
    def test_number_of_episodes(self, episodes: list[tuple[float, int]], parts: int) -> None:
        """Cutting each episode into several of the same return changes nothing."""
        returns, steps = (np.array(column) for column in zip(*episodes, strict=True))
        grid = np.arange(1, parts * steps.sum() + 10)
        whole = step_weighted_curve(returns, steps * parts, grid)
        cut = step_weighted_curve(np.repeat(returns, parts), np.repeat(steps, parts), grid)
        np.testing.assert_array_equal(whole, cut)


class TestCommonGrid:
    def test_longest_run(self) -> None:
        """The grid goes from 1 to the longest run's last finished episode, evenly, in integers."""
        runs = [make_run(0, 0, 0, [1.0], [40]), make_run(1, 0, 1, [1.0, 1.0], [50, 51])]
        assert common_grid(runs, 5).tolist() == [1, 26, 51, 76, 101]

    def test_order_of_runs(self) -> None:
        """No run is special: their order does not matter."""
        runs = [make_run(n, 0, n, [1.0], [length]) for n, length in enumerate((7, 900, 30))]
        np.testing.assert_array_equal(common_grid(runs), common_grid(runs[::-1]))

    def test_few_steps(self) -> None:
        """With fewer steps than points every step stands once."""
        assert common_grid([make_run(0, 0, 0, [1.0], [4])], 500).tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize("runs", [[], [make_run(0, 0, 0, [], [])]])
    def test_nothing_finished(self, runs: list[Run]) -> None:
        """Without a finished episode the grid is empty."""
        assert common_grid(runs).shape == (0,)


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
        assert (best.setting_number, best.mean_return) == (1, -50.0)

    def test_mean_over_runs(self, tmp_path: Path) -> None:
        """A setting is as good as its runs are on average, however many they are."""
        runs = [make_run(0, 0, 0, [-4.0], [10]), make_run(2, 0, 1, [-2.0], [900])]
        runs += [make_run(1, 1, 0, [-2.9], [5])]
        assert best_setting(opened(tmp_path, 2, runs)).mean_return == -2.9

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
        assert best.mean_return == -5.0

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
