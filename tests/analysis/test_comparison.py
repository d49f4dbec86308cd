"""Laws of samples, their estimates, and comparisons of two of them and over environments."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scored import NAN, make_sample, make_scores

from nthrun.analysis.comparison import (
    interquartile_mean,
    mann_whitney,
    paired_comparison,
    performance_profile,
    probability_of_improvement,
    welch,
)
from nthrun.analysis.estimates import (
    Method,
    estimate,
    estimate_of_chosen,
    sample,
    typical_deviation,
)
from nthrun.analysis.intervals import Statistic, student_interval
from nthrun.errors import DataFileError, NthrunError


class TestSample:
    def test_counts(self) -> None:
        """Runs that are lost, and seeds that only other settings have, are counted, not dropped."""
        found = sample(make_scores([[1.0, NAN, 3.0], [1.0, 2.0, 3.0, 4.0]]), 0)
        assert found.values.tolist() == [1.0, 3.0]
        assert found.seeds.tolist() == [[0, 0], [0, 2]]
        assert found.lost_seeds.tolist() == [[0, 1]]
        assert (found.num_runs, found.num_lost, found.num_missing) == (3, 1, 1)

    def test_no_runs(self) -> None:
        """A setting without runs is an error that says which have some."""
        with pytest.raises(DataFileError, match=r"no run of setting 7; hint: .* from 0 to 1"):
            sample(make_scores([[1.0], [2.0]]), 7)


class TestEstimate:
    def test_text(self) -> None:
        """The words tell value, interval, runs, lost and missing ones."""
        runs = sample(make_scores([[1.0, NAN, 3.0], [1.0, 2.0, 3.0, 4.0]]), 0)
        text = estimate(runs).text()
        assert text == ("2 (95 % Student interval -10.7062 to 14.7062; 3 runs, 1 lost, 1 missing)")

    @pytest.mark.parametrize("statistic", ["mean", "trimmed_mean", "iqm", "median"])
    @pytest.mark.parametrize("num_runs", [2, 3, 5, 9, 10, 30])
    def test_default(self, num_runs: int, statistic: Statistic) -> None:
        """The interval is Student's where there is one, however few or many the runs, and its name
        stands beside it."""
        values = np.random.default_rng(num_runs).normal(size=num_runs)
        found = estimate(make_sample([*values]), statistic)
        name = "rank" if statistic == "median" else "student"
        assert found.method == name
        assert np.isnan(found.low) or f"{name} interval" in found.text().lower()

    def test_bootstrap_of_few_runs(self) -> None:
        """The bootstrap's interval of fewer than ten runs is not called one of 95 %."""
        values = [*np.random.default_rng(0).normal(size=10)]
        few, many = (estimate(make_sample(v), method="bootstrap") for v in (values[:9], values))
        assert "too narrow" in few.text() and "95 % bootstrap" not in few.text()
        assert "(95 % bootstrap interval" in many.text()

    @pytest.mark.parametrize("method", ["student", "bootstrap"])
    @pytest.mark.parametrize("number", [2, 10, 50])
    def test_runs_that_do_not_differ(self, number: int, method: Method) -> None:
        """Of runs that are all the same, such as successes, there is no interval: it would have no
        width, and say that no run can ever be different."""
        found = estimate(make_sample([1.0] * number), method=method)
        assert np.isnan([found.low, found.high]).all()
        assert found.text() == (f"1 (no interval: the runs do not differ; {number} runs, 0 lost)")

    def test_chosen(self) -> None:
        """Of a setting that was chosen among some there is Student's interval for all of them at
        once, called so; of the only one it is the plain one."""
        values = [1.0, 5.0, 2.0, 8.0]
        scores = make_scores([values])
        found = estimate_of_chosen(scores, 0, 30)
        expected = stats.ttest_1samp(values, 0).confidence_interval(1 - 0.05 / 30)
        assert (found.low, found.high) == pytest.approx(tuple(expected))
        assert "at least 95 % Student interval for any of 30 settings" in found.text()
        assert estimate_of_chosen(scores, 0, 1) == estimate(sample(scores, 0))

    @pytest.mark.parametrize("values", [[[0.1] * 3, [0.7] * 5, [1.0, NAN]], [[1.0], [2.0]]])
    def test_typical_deviation(self, values: list[list[float | None]]) -> None:
        """The typical deviation of runs that do not differ is exactly 0, and so it is where no
        setting has two; of others it is the median over settings, lost runs left out."""
        assert typical_deviation(make_scores(values)) == 0.0
        spread: list[list[float | None]] = [[0.0, 2.0], [0.0, 4.0, NAN], [0.0, 9.0]]
        found = typical_deviation(make_scores([*spread, [5.0]]))
        assert found == pytest.approx(np.std([0.0, 4.0], ddof=1))


class TestPaired:
    def test_shared_seeds(self) -> None:
        """What a seed does to both falls out: a steady gain is found though runs differ widely."""
        luck, gain = np.random.default_rng(0).normal(0, [[1000], [0.01]], (2, 20))
        paired = paired_comparison(make_sample([*luck]), make_sample([*(luck + 1 + gain)]))
        low, high = student_interval(paired.differences[:, None])
        assert (paired.mean.low, paired.mean.high) == (low[0], high[0])
        assert (paired.mean.low, paired.mean.high) == pytest.approx((1.0, 1.0), abs=0.01)
        assert paired.share_won == 1.0
        assert paired.seeds.tolist() == [[0, number] for number in range(20)]

    def test_unpaired_and_lost(self) -> None:
        """Pairs are formed by seed; seeds of one only and pairs with a lost run are counted."""
        ones = make_sample([1.0, 2.0, NAN, 4.0])
        others = make_sample([2.0, 2.0, 9.0, NAN, 5.0, 6.0])
        paired = paired_comparison(ones, others)
        assert paired.differences.tolist() == [1.0, 0.0]
        assert paired.num_unpaired == (0, 2)
        assert (paired.mean.num_runs, paired.mean.num_lost, paired.mean.num_missing) == (4, 2, 2)
        assert paired.share_won == 0.75

    def test_stages_are_apart(self) -> None:
        """Runs of equal number in different stages had other seeds, and are no pair."""
        ones = make_sample([1.0, 2.0])
        others = replace(ones, seeds=np.add(ones.seeds, [1, 0]))
        paired = paired_comparison(ones, others)
        assert len(paired.differences) == 0
        assert np.isnan(paired.share_won)
        assert paired.num_unpaired == (2, 2)

    def test_direction(self) -> None:
        """Where lower is better, the lower run of a pair wins."""
        pair = make_sample([3.0, 3.0], False), make_sample([1.0, 4.0], False)
        assert paired_comparison(*pair).share_won == 0.5
        assert paired_comparison(pair[0], make_sample([1.0, 2.0], False)).share_won == 1.0


class TestTests:
    def test_mann_whitney(self) -> None:
        """It is scipy's, of runs that are all there."""
        x, y = np.random.default_rng(1).normal([[0], [1]], size=(2, 12))
        found = mann_whitney(make_sample([*x]), make_sample([*y]))
        expected = stats.mannwhitneyu(y, x)
        assert (found.statistic, found.p_value) == pytest.approx(tuple(expected))

    @pytest.mark.parametrize("higher_is_better", [True, False])
    def test_lost_runs_rank_lowest(self, higher_is_better: bool) -> None:
        """A lost run loses against every other and ties with lost ones, whatever is better."""
        ones = make_sample([NAN, NAN, 1.0], higher_is_better)
        others = make_sample([2.0, 3.0, NAN], higher_is_better)
        found = mann_whitney(ones, others)
        assert found.statistic == (7.0 if higher_is_better else 5.0)
        assert (found.num_runs, found.num_lost) == ((3, 3), (2, 1))

    def test_lost_runs_of_large_values(self) -> None:
        """A lost run does not tie with the worst one, however large values are."""
        first, second = make_sample([-1e20, NAN]), make_sample([-1e20, -1e20])
        found = mann_whitney(first, second)
        assert found.statistic == 3.0

    def test_welch(self) -> None:
        """It is scipy's, with the interval of the difference, and needs two runs of each."""
        x, y = np.random.default_rng(2).normal(size=(2, 12)) * [[1], [5]]
        found = welch(make_sample([*x, NAN]), make_sample([*y]))
        expected = stats.ttest_ind(y, x, equal_var=False)
        interval = expected.confidence_interval()
        assert found.p_value == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        assert found.difference == pytest.approx(y.mean() - x.mean())
        assert found.num_lost == (1, 0)
        assert np.isnan(welch(make_sample([1.0]), make_sample([*y])).p_value)


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
