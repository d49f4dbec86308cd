"""Laws of the choice of a setting, and of what else could have been chosen."""

from __future__ import annotations

import resource
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT
from scipy import stats
from scored import NAN, make_scores

from nthrun.analysis.choice import choose, choose_across
from nthrun.analysis.intervals import student_interval
from nthrun.analysis.ranking import (
    RunsBySetting,
    best_positions,
    ecdf,
    runs_by_setting,
    share_and_mean,
)
from nthrun.analysis.resampling import resampled_wins
from nthrun.errors import DataFileError


def chances(values: list[list[float | None]], num_resamples: int = 20_000) -> dict[int, float]:
    """Setting number -> how often it is chosen."""
    return {
        c.settings[0]: c.probability for c in choose(make_scores(values), num_resamples).contenders
    }


class TestWinner:
    def test_highest_mean(self) -> None:
        """The setting of the highest mean wins, with Student's interval of it that holds for all
        settings at once, in its own units."""
        choice = choose(make_scores([[1.0, 2.0], [5.0, 3.0], [0.0, 7.0]]))
        assert choice.settings == (1,)
        assert choice.parameters == {"lr": 1}
        assert choice.estimates[0].value == choice.score == 4.0
        low, high = student_interval(np.array([[5.0], [3.0]]), 1 - 0.05 / 3)
        assert (choice.low, choice.high) == (low[0], high[0])
        assert (choice.estimates[0].low, choice.estimates[0].high) == (low[0], high[0])
        assert (choice.num_settings, choice.num_runs, choice.num_lost) == (3, 6, 0)

    def test_direction(self) -> None:
        """Where lower is better the lowest mean wins, and its sign and bounds stay."""
        choice = choose(make_scores([[1.0, 2.0], [5.0, 3.0]], higher_is_better=False))
        assert choice.settings == (0,)
        found = choose(make_scores([[-1.0, -2.0], [-5.0, -3.0]]))
        assert (choice.low, choice.score, choice.high) == (-found.high, 1.5, -found.low)

    def test_lost_runs(self) -> None:
        """A setting without lost runs beats any with one; else the smallest share lost wins."""
        assert choose(make_scores([[9.0, NAN], [1.0, 1.0]])).settings == (1,)
        assert choose(make_scores([[9.0, NAN], [1.0, 1.0, NAN]])).settings == (1,)
        choice = choose(make_scores([[9.0, NAN, NAN], [1.0, NAN]]))
        assert (choice.settings, choice.num_runs, choice.num_lost) == ((1,), 5, 3)

    def test_interval_without_lost_runs(self) -> None:
        """The winner's interval is of its completed runs, whatever the lost ones came to."""
        scores = make_scores([[0.0, 1.0, -1000.0, -1000.0, -1000.0]])
        lost = scores.values == -1000.0
        choice = choose(replace(scores, lost=lost))
        low, high = student_interval(np.array([[0.0], [1.0]]))
        assert (choice.low, choice.high) == (low[0], high[0])

    def test_huge_lost_runs(self) -> None:
        """What a lost run came to before it was lost, however much, changes no mean of others, and
        no resample in which others were drawn."""
        kept = [[-101.0, -103.0, -102.0], [-101.5, -103.5, -102.5], [-101.25, -101.75, -103.0]]
        found = []
        for lost in (-1e38, -104.0):
            scores = make_scores([[*values, lost] for values in kept])
            choice = choose(replace(scores, lost=scores.values == lost), 2_000)
            assert (choice.settings, choice.score, choice.equals) == ((0,), -102.0, ((2,),))
            found.append([(each.settings, each.probability) for each in choice.contenders])
        assert found[0] == found[1]

    def test_one_setting(self) -> None:
        """The interval of the only setting, which was not chosen, is Student's own."""
        choice = choose(make_scores([[1.0, 2.0, 4.0]]))
        low, high = student_interval(np.array([[1.0], [2.0], [4.0]]))
        assert (choice.low, choice.high) == (low[0], high[0])
        assert "(95 % Student interval " in choice.estimates[0].text()

    def test_steady_winner(self) -> None:
        """A winner whose runs happen to differ little, or not at all, is taken to differ as much as
        the setting in the middle."""
        middle, wild = [0.0, 2.0, -2.0], [0.0, 90.0, -90.0]
        for steady in ([3.0, 3.0, 3.0], [2.9, 3.0, 3.1]):
            choice = choose(make_scores([steady, middle, wild]))
            half = stats.t.ppf(1 - 0.025 / 3, 2) * 2 / np.sqrt(3)
            assert [choice.low, choice.high] == pytest.approx([3 - half, 3 + half])

    def test_runs_that_do_not_differ(self) -> None:
        """Where no setting's runs differ they tell no interval, however many they are."""
        choice = choose(make_scores([[-50.0] * 20, [-60.0] * 3]))
        assert np.isnan([choice.low, choice.high]).all()
        assert "no interval: the runs do not differ" in choice.estimates[0].text()

    def test_one_run(self) -> None:
        """A winner of one run has no interval, and that others' spread is unknown is told."""
        choice = choose(make_scores([[1.0], [2.0]]))
        assert np.isnan([choice.low, choice.high]).all()
        assert choice.num_unsure == choice.num_settings == 2

    def test_no_value(self) -> None:
        """Where no run has a value there is nothing to choose."""
        with pytest.raises(DataFileError, match=r"no run has a finite value .*; hint:"):
            choose(make_scores([[NAN], [NAN]]))


class TestContenders:
    def test_paired(self) -> None:
        """Settings that share seeds are resampled together: one that is better by a little with
        every seed is sure to win, however much seeds differ."""
        luck = np.random.default_rng(0).normal(0, 100, 10)
        assert chances([[*luck], [*(luck + 0.1)]]) == {1: 1.0}

    def test_unpaired(self) -> None:
        """Others are resampled by themselves: the same runs under other numbers leave it open."""
        luck = np.random.default_rng(0).normal(0, 100, 10)
        found = chances([[*luck, None], [None, *(luck + 0.1)]])
        assert found[1] == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize("paired", [True, False])
    def test_every_resample(self, paired: bool) -> None:
        """Probabilities are those of all possible resamples, lost runs included."""
        runs = [[0.0, 4.0], [3.0, NAN], [1.0, 2.5]]
        values = runs if paired else [[*runs[0], None], [None, *runs[1]], [*runs[2], None]]
        draws = list(product(range(2), repeat=2))
        picked = [
            best_positions([runs_by_setting(make_scores([[r[i] for i in d] for r, d in pairs]))])
            for pairs in (
                [[*zip(runs, ds, strict=True)] for ds in product(draws, repeat=3)]
                if not paired
                else [[(each, d) for each in runs] for d in draws]
            )
        ]
        found = chances(values)
        for setting in range(3):
            shares = [np.isin(setting, best) / max(len(best), 1) for best in picked]
            assert found.get(setting, 0.0) == pytest.approx(np.mean(shares), abs=0.015)

    def test_blocks(self) -> None:
        """Settings that share seeds are drawn alike, however many blocks they are computed in: one
        that is always the better by a little wins over a copy at the other end."""
        runs = np.random.default_rng(3).normal(size=(500, 4))
        runs[3] = [10.0, 500.0, 50.0, 20.0]
        runs[450] = runs[3] + 1e-3
        assert chances([*runs], 10_000) == {450: 1.0}

    def test_seed(self) -> None:
        """The same scores give the same choice and probabilities."""
        values = np.random.default_rng(1).normal(size=(20, 5))
        assert chances([*values]) == chances([*values])

    def test_no_value_in_resample(self) -> None:
        """A resample without any value is no one's, and probabilities add up to less than 1."""
        assert chances([[1.0, NAN]])[0] == pytest.approx(0.75, abs=0.02)


class TestEquals:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([[-50.0] * 5, [-50.0] * 5, [-60.0] * 5], {0: 0.5, 1: 0.5}),
            ([[1.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]], {0: 0.5, 1: 0.5}),
            ([[0.1, 0.2, 0.7]] * 4, dict.fromkeys(range(4), 0.25)),
            ([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.2, 0.3, 0.1]], dict.fromkeys(range(3), 1 / 3)),
            ([[0.1] * 3, [0.1] * 5, [0.1], [0.1] * 7], dict.fromkeys(range(4), 0.25)),
            ([[1.0, 1.0, NAN], [NAN, 1.0, 1.0]], {0: 0.5, 1: 0.5}),
            ([[NAN, 3.0]] * 2, {0: 0.375, 1: 0.375}),
        ],
    )
    def test_shared(self, values: list[list[float | None]], expected: dict[int, float]) -> None:
        """Settings that are equally good in a resample share it, in whatever order their runs are,
        and the choice names the others that are as good as its winner."""
        choice = choose(make_scores(values), 20_000)
        found = {each.settings[0]: each.probability for each in choice.contenders}
        assert found == pytest.approx(expected, abs=0.01)
        assert choice.settings == (0,)
        assert choice.equals == tuple((number,) for number in sorted(expected) if number)

    def test_nearly_equal(self) -> None:
        """Settings that differ in the last bit are not equal, and those of the same mean are,
        though their sums in floating point may differ."""
        choice = choose(make_scores([[0.3] * 3, [0.1 + 0.2] * 3]))
        assert (choice.settings, choice.equals) == ((1,), ())
        assert chances([[0.3] * 3, [0.1 + 0.2] * 3]) == {1: 1.0}
        many = np.random.default_rng(0).normal(size=200) * 1e3
        assert choose(make_scores([[*many], [*many[::-1]], [*np.sort(many)]])).equals == (
            (1,),
            (2,),
        )

    @given(
        st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=12),
        st.integers(1, 4),
        st.randoms(use_true_random=False),
    )
    def test_any_values(self, values: list[float], copies: int, random: Random) -> None:
        """A setting that has the runs of another, some times over and in any order, is its equal,
        and its mean is the exact one, rounded."""
        others = values * copies
        random.shuffle(others)
        runs = runs_by_setting(make_scores([values, others]))
        means = share_and_mean(runs)[1]
        exact = sum(map(Fraction, values)) / len(values)
        assert (
            means[0]
            == means[1]
            == pytest.approx(float(exact), rel=1e-15, abs=1e-18 * max(map(abs, values)))
        )

    def test_across(self) -> None:
        """Settings of the same mean rank over environments are equal, too."""
        first = make_scores([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
        second = make_scores([[1.0] * 2, [2.0] * 2, [0.0] * 2])
        third = make_scores([[2.0] * 2, [0.0] * 2, [1.0] * 2])
        choice = choose_across([first, second, third])
        assert choice.equals == ((1, 1, 1), (2, 2, 2))
        assert [each.probability for each in choice.contenders] == pytest.approx([1 / 3] * 3)


class TestAcross:
    def test_ecdf(self) -> None:
        """A rank is the share of completed runs below, and half of those equal."""
        found = ecdf(runs_by_setting(make_scores([[1.0, 2.0], [2.0, NAN], [9.0, 4.0]])))
        assert found.values.tolist() == [[0.1, 0.4], [0.4, -np.inf], [0.9, 0.7]]

    def test_units_do_not_count(self) -> None:
        """The setting of the highest mean rank wins, in whatever units an environment's scores are,
        and settings are matched by their hyperparameters, not their numbers."""
        first = make_scores([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
        reordered = {0: {"lr": 2}, 1: {"lr": 1}, 2: {"lr": 0}}
        scale = 1e6
        second = make_scores(
            [[0.0, scale], [4 * scale, 5 * scale], [2 * scale, 3 * scale]], parameters=reordered
        )
        choice = choose_across([first, second])
        assert choice.settings == (1, 1)
        assert choice.parameters == {"lr": 1}
        assert choice.score == pytest.approx((5 / 12 + 9 / 12 + 0.0) / 2 + 1 / 12)
        assert [each.value for each in choice.estimates] == [2.5, 4.5 * scale]
        assert {c.settings for c in choice.contenders} <= {(1, 1), (2, 0), (0, 2)}

    def test_left_out(self) -> None:
        """A setting without runs in one experiment is left out, and counted."""
        first = make_scores([[1.0], [2.0], [3.0]])
        second = make_scores([[1.0], [2.0]])
        choice = choose_across([first, second])
        assert (choice.settings, choice.num_left_out) == ((1, 1), 1)

    def test_repeated(self) -> None:
        """Of settings with the same hyperparameters the lowest number is compared, its ranks are as
        if the others were not there, and they are counted."""
        first = make_scores([[1.0], [2.0]])
        same = {0: {"lr": 0}, 1: {"lr": 1}, 2: {"lr": 1}}
        second = make_scores([[1.0], [2.0], [2.0]], parameters=same)
        choice, plain = choose_across([first, second]), choose_across([first, first])
        assert (choice.settings, choice.score) == ((1, 1), plain.score)
        assert (choice.num_settings, choice.num_repeated, plain.num_repeated) == (2, 1, 0)

    @pytest.mark.parametrize(
        "changes", [{"metric": "x"}, {"label": "x"}, {"higher_is_better": False}]
    )
    def test_metrics(self, changes: dict[str, Any]) -> None:
        """Scores of another metric, label or direction are not chosen across."""
        first = make_scores([[1.0]])
        with pytest.raises(DataFileError, match=r"metric: got .*, allowed: .*; hint: give a --met"):
            choose_across([first, replace(first, **changes)])

    def test_nothing_shared(self) -> None:
        """Experiments without a common setting are an error that names a hyperparameter."""
        other = make_scores([[1.0]], parameters={0: {"lr": 7}})
        with pytest.raises(DataFileError, match=r"lr: got 7, allowed: 0, as in made; hint"):
            choose_across([make_scores([[1.0]]), other])


LARGE = """
import time, numpy as np
from nthrun.analysis.ranking import RunsBySetting, best_positions
from nthrun.analysis.resampling import resampled_wins
settings, runs, paired, lost = {arguments}
generator = np.random.default_rng(0)
values = generator.normal(size=(settings, runs))
made = RunsBySetting(np.arange(settings), np.full(settings, runs), values,
                     generator.random((settings, runs)) < lost, paired)
start = time.process_time()
best_positions([made])
resampled_wins([made])
print(time.process_time() - start)
"""


@pytest.mark.parametrize("paired", [True, False])
def test_memory(paired: bool) -> None:
    """Resamples of many runs do not all lie in memory at once."""
    values = np.random.default_rng(0).normal(size=(2, 4000))
    made = RunsBySetting(np.arange(2), np.full(2, 4000), values, np.zeros((2, 4000), bool), paired)
    tracemalloc.start()
    found = resampled_wins([made], 3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.sum() == pytest.approx(1)
    assert peak < 150 * 2**20 < 3000 * 4000 * 16


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("shape", [(1000, 100), (10_000, 10)])
def test_speed(shape: tuple[int, int], paired: bool) -> None:
    """10,000 resamples of 100,000 runs, some of them lost, take less than 30 s of a core and
    2 GB."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE.format(arguments=(*shape, paired, 0.01))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9, 2 * 10**9)),
    )
    assert float(done.stdout) < 30


def test_no_setting_is_favoured() -> None:
    """Of many sweeps of equal settings no setting is chosen more often than another."""
    generator = np.random.default_rng(8)
    total = np.zeros(4)
    for _ in range(200):
        made = runs_by_setting(make_scores([*generator.normal(size=(4, 6))]))
        total += resampled_wins([made], 100)
    assert total / 200 == pytest.approx(np.full(4, 0.25), abs=0.06)
