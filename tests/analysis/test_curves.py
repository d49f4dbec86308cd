"""Laws of learning curves: step-weighted values, the grid of runs, and the setting shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run, rewrite_agent
from hypothesis import given
from hypothesis import strategies as st

from nthrun.analysis.curves import (
    best_setting,
    common_grid,
    learning_curve,
    mean_over_runs,
    smoothed,
    step_weighted_curve,
)
from nthrun.analysis.figures.reading import entries_of
from nthrun.analysis.intervals import student_interval
from nthrun.errors import DataFileError
from nthrun.records import Data, open_data
from nthrun.records.schema import Run

EPISODES = st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 50)), min_size=1, max_size=20)


def opened(root: Path, num_settings: int, runs: Sequence[Run]) -> Data:
    """The data of a new experiment with these runs."""
    return open_data(make_experiment(root, num_settings, runs=runs).root)


def curve(returns: Sequence[float], steps: Sequence[int], grid: Sequence[int]) -> np.ndarray:
    """`step_weighted_curve` of plain lists."""
    return step_weighted_curve(np.array(returns), np.array(steps, np.int64), np.array(grid))


def lengths(runs: Sequence[Run]) -> list[np.ndarray]:
    """The lengths of each run's training episodes."""
    return [run["train_episode_steps"] for run in runs]


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
        assert values.mean() == pytest.approx(np.average(returns, weights=steps), abs=1e-9)

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
        assert common_grid(lengths(runs), 5).tolist() == [1, 26, 51, 76, 101]

    def test_order_of_runs(self) -> None:
        """No run is special: their order does not matter."""
        runs = [make_run(n, 0, n, [1.0], [length]) for n, length in enumerate((7, 900, 30))]
        np.testing.assert_array_equal(common_grid(lengths(runs)), common_grid(lengths(runs[::-1])))

    def test_few_steps(self) -> None:
        """With fewer steps than points every step stands once."""
        assert common_grid([np.array([4])], 500).tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize("runs", [[], [make_run(0, 0, 0, [], [])]])
    def test_nothing_finished(self, runs: list[Run]) -> None:
        """Without a finished episode the grid is empty."""
        assert common_grid(lengths(runs)).shape == (0,)


def test_mean_over_runs() -> None:
    """The mean is over the runs that have a value; where none has, there is none."""
    curves = np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.inf]])
    np.testing.assert_array_equal(mean_over_runs(curves), [2.0, 4.0, np.nan])


def test_smoothed() -> None:
    """A smoothed run is the mean over the steps up to each point, never over later ones."""
    grid, runs = np.array([10, 20, 30, 40]), np.array([[1.0, np.nan, 5.0, 7.0]])
    np.testing.assert_allclose(smoothed(runs, grid, 20), [[1.0, 1.0, 5.0, 6.0]])
    np.testing.assert_allclose(smoothed(runs, grid, 1), [[1.0, np.nan, 5.0, 7.0]])


class TestBestSetting:
    def test_stages(self, tmp_path: Path) -> None:
        """Stages are compared apart; None is the lowest one recorded."""
        runs = [make_run(n, n, 0, [float(n)], [10]) for n in range(2)]
        runs += [make_run(n, n, 0, [-float(n)], [10], stage=1) for n in range(2)]
        data = opened(tmp_path, 2, runs)
        assert best_setting(data) == best_setting(data, 0)
        assert [best_setting(data, stage) for stage in (0, 1)] == [1, 0]
        with pytest.raises(DataFileError, match=r"no run of stage 2; hint: .* 0, 1"):
            best_setting(data, 2)

    def test_nothing_to_choose(self, tmp_path: Path) -> None:
        """No runs, or no finished episode, is an error that says what to do."""
        with pytest.raises(DataFileError, match=r"holds no runs; hint: train"):
            best_setting(opened(tmp_path / "empty", 1, []))
        with pytest.raises(DataFileError, match=r"no run .* finished .*; hint: train for longer"):
            best_setting(opened(tmp_path / "short", 1, [make_run(0, 0, 0, [], [])]))


class TestSolvers:
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
        assert best_setting(data, 0) == 1
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
        assert learning_curve(open_data(root)).setting_number == 2
        assert learning_curve(open_data(root), metric="oracle_gap").setting_number == 1
        rewrite_agent(root, search={"metric": "r", "goal": "minimize"})
        data = open_data(root)
        assert learning_curve(data).setting_number == 0
        assert learning_curve(data, metric="r").setting_number == 0
        assert learning_curve(data, metric="return").setting_number == 2
        assert learning_curve(data, metric="oracle_gap").setting_number == 1
        assert best_setting(data, metric="oracle_gap") == 1
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
        low, high = student_interval(found.runs)
        assert (found.low.tolist(), found.high.tolist()) == (low.tolist(), high.tolist())

    def test_magnitudes(self, tmp_path: Path) -> None:
        """The band of magnitudes, on a logarithmic axis, never goes below the least of them."""
        runs = [make_run(0, 0, 0, [-1.0], [2]), make_run(1, 0, 1, [-9.0], [2])]
        found = learning_curve(opened(tmp_path, 1, runs)).magnitudes()
        assert found.low.tolist() == [1.0, 1.0]
        assert (found.high > 9.0).all()

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
