"""Laws of the values that are shown of runs, and of the training steps at which they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from builders import make_run
from hypothesis import given
from hypothesis import strategies as st

from nthrun.analysis.curves import common_grid, step_weighted_curve
from nthrun.records.schema import Run

EPISODES = st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 50)), min_size=1, max_size=20)


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
