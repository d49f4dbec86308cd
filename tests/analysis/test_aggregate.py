"""Laws of statistics over several environments."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats
from scored import NAN, make_sample

from nthrun.analysis.comparison import (
    interquartile_mean,
    mann_whitney,
    performance_profile,
    probability_of_improvement,
)
from nthrun.errors import NthrunError


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> bool:
    return bool(low[0] <= truth <= high[0])


class TestProfile:
    def test_shares(self) -> None:
        """It is the share of runs above each threshold, each environment counting alike, a lost run
        above none."""
        tasks = [make_sample([1.0, 2.0, 3.0, NAN]), make_sample([3.0])]
        found = performance_profile(tasks, np.array([0.0, 2.0, 3.0]))
        assert found.value.tolist() == [(3 / 4 + 1) / 2, (1 / 4 + 1) / 2, 0.0]
        assert (found.num_runs, found.num_lost) == (5, 1)

    def test_lower_is_better(self) -> None:
        """Where lower is better, it is the share below."""
        found = performance_profile([make_sample([1.0, 2.0, 3.0], False)], np.array([2.5]))
        assert found.value.tolist() == [2 / 3]

    def test_band(self) -> None:
        """The band of one environment's point is a share's: the quantiles of the binomial."""
        runs = make_sample([0.0] * 30 + [1.0] * 70)
        found = performance_profile([runs], np.array([0.5]), num_resamples=20_000)
        expected = stats.binom.ppf([0.025, 0.975], 100, 0.7) / 100
        assert [found.low[0], found.high[0]] == pytest.approx(expected, abs=0.011)

    def test_no_runs(self) -> None:
        """An environment without runs is an error."""
        with pytest.raises(NthrunError, match="samples: got one without runs"):
            performance_profile([], np.array([0.0]))


class TestImprovement:
    def test_mann_whitney(self) -> None:
        """In one environment it is Mann and Whitney's U over its greatest value, lost runs and
        ties as there."""
        ones, others = make_sample([1.0, 2.0, 2.0, NAN]), make_sample([2.0, NAN, 3.0])
        found = probability_of_improvement([ones], [others])
        assert found.value[0] == pytest.approx(mann_whitney(ones, others).statistic / 12)
        assert found.low[0] <= found.value[0] <= found.high[0]
        assert found.num_lost == 2

    def test_environments_count_alike(self) -> None:
        """It is averaged over environments, however many runs each has."""
        ones = [make_sample([0.0] * 9), make_sample([1.0])]
        others = [make_sample([1.0] * 9), make_sample([0.0])]
        assert probability_of_improvement(ones, others).value.tolist() == [0.5]

    @pytest.mark.slow
    def test_coverage(self) -> None:
        """95 % intervals of 30 against 30 runs in two environments have the true probability in 93
        to 97 % of 2,000 experiments."""
        generator = np.random.default_rng(5)
        truth = float(stats.norm.cdf(0.5 / np.sqrt(2)))
        hits = 0
        for _ in range(2000):
            ones = [make_sample([*generator.normal(0.0, 1, 30)]) for _ in range(2)]
            others = [make_sample([*generator.normal(0.5, 1, 30)]) for _ in range(2)]
            found = probability_of_improvement(ones, others, num_resamples=1000)
            hits += covered(found.low, found.high, truth)
        assert 0.93 <= hits / 2000 <= 0.97


def test_memory() -> None:
    """Resamples of many runs do not all lie in memory at once, nor do all pairs of runs."""
    ones, others = (make_sample([*np.random.default_rng(n).normal(size=4000)]) for n in (0, 1))
    tracemalloc.start()
    probability_of_improvement([ones], [others], num_resamples=1500)
    performance_profile([ones], np.zeros(1), num_resamples=3000)
    interquartile_mean([ones], num_resamples=3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250 * 2**20


class TestInterquartileMean:
    def test_pooled(self) -> None:
        """It is the mean of the middle half of all runs together, lost ones left out and
        counted."""
        tasks = [make_sample([0.0, 1.0, 2.0, NAN]), make_sample([3.0, 4.0, 5.0, 6.0, 100.0])]
        found = interquartile_mean(tasks)
        assert found.value.tolist() == [stats.trim_mean([0, 1, 2, 3, 4, 5, 6, 100], 0.25)]
        assert (found.num_runs, found.num_lost) == (9, 1)

    def test_stratified(self) -> None:
        """Runs are drawn within their environment: two that each do always the same leave no
        doubt."""
        found = interquartile_mean([make_sample([0.0] * 10), make_sample([1.0] * 10)])
        assert found.low.tolist() == found.value.tolist() == found.high.tolist() == [0.5]

    def test_one_run(self) -> None:
        """One run of each tells no interval."""
        assert np.isnan(interquartile_mean([make_sample([0.0]), make_sample([1.0])]).low).all()

    def test_lost_runs(self) -> None:
        """One completed run of each tells no interval, however many were lost."""
        found = interquartile_mean([make_sample([0.0, NAN]), make_sample([NAN, 1.0, NAN])])
        assert found.value.tolist() == [0.5]
        assert np.isnan([found.low, found.high]).all()

    @pytest.mark.slow
    def test_coverage(self) -> None:
        """95 % intervals of 30 normal runs in each of three environments have the true value in 93
        to 97 % of 2,000 experiments."""
        generator = np.random.default_rng(6)
        hits = 0
        for _ in range(2000):
            tasks = [make_sample([*generator.normal(1, 1, 30)]) for _ in range(3)]
            found = interquartile_mean(tasks, num_resamples=1000)
            hits += covered(found.low, found.high, 1.0)
        assert 0.93 <= hits / 2000 <= 0.97
