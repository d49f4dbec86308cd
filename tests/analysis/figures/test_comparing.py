"""Laws of comparisons, parity plots, distributions and costs."""

from __future__ import annotations

import numpy as np
import pytest
from sweeps import make_scores

from nthrun.analysis.figures.comparison import comparison_figure, normalised
from nthrun.analysis.figures.distribution import SHAPES, Shape, distribution_figure
from nthrun.analysis.figures.parity import Pairs, pairs_of, parity_figure
from nthrun.analysis.figures.resources import Costs, resources_figure, suggestion

GROUPS = {
    "Pendulum-v1": {"SAC": np.array([1.0, 2.0, np.nan]), "VAC": np.array([0.0])},
    "CartPole-v1": {"SAC": np.array([50.0])},
}


class TestComparison:
    def test_panels(self) -> None:
        """Each environment has a panel; lost runs are counted in it."""
        figure = comparison_figure(GROUPS, "return", "")
        assert [axes.get_title() for axes in figure.axes] == list(GROUPS)
        assert [text.get_text() for text in figure.axes[0].texts] == ["×1"]
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert names == ["SAC", "VAC"]

    @pytest.mark.parametrize("num_runs", [5, 60])
    def test_interval_text(self, num_runs: int) -> None:
        """The legend tells a tolerance interval where there are enough runs for one, else their
        range."""
        groups = {"Pendulum-v1": {"SAC": np.arange(float(num_runs))}}
        figure = comparison_figure(groups, "return", "", band="tolerance")
        text = figure.legends[0].get_title().get_text().replace("\n", " ")
        assert ("range of runs" in text) == (num_runs < 46)
        assert "tolerance interval of 90%" in text

    def test_normalised(self) -> None:
        """Ranges go from the worst run to the best, shares count runs no better; NaN stays."""
        found = normalised(GROUPS, "range")["Pendulum-v1"]
        np.testing.assert_allclose(found["SAC"], [0.5, 1.0, np.nan])
        found = normalised(GROUPS, "ecdf", higher_is_better=False)["Pendulum-v1"]
        np.testing.assert_allclose(found["SAC"], [2 / 3, 1 / 3, np.nan])
        np.testing.assert_allclose(found["VAC"], [1.0])


class TestParity:
    def test_pairs(self) -> None:
        """Runs are matched by stage and run number; lost ones are NaN, others without a partner."""
        one = make_scores({"lr": [1, 2]}, lambda p, run: p["lr"] * 10.0 + run, 4)
        other = make_scores({"lr": [1]}, lambda p, run: run, 3, lost=lambda p, run: run == 1)
        pairs = pairs_of(one, 1, other, 0)
        np.testing.assert_array_equal(pairs.across, [20, 21, 22])
        np.testing.assert_array_equal(pairs.up, [0, np.nan, 2])
        assert pairs.num_alone == 1

    def test_figure(self) -> None:
        """The legend counts seeds, runs lost in one experiment or in both, and those alone."""
        nan = np.nan
        pairs = Pairs(np.array([1.0, nan, 2.0, nan]), np.array([1.0, 1.0, nan, nan]), 5)
        figure = parity_figure({"runs": pairs}, ("a", "b"), "t")
        text = figure.legends[0].get_texts()[0].get_text()
        assert text == "runs, 4 seeds (2 lost in one (×), 1 lost in both, 5 without a partner)"


class TestDistribution:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [np.nan], [1.0, 2.0, 4.0, np.nan]])
    def test_any(self, shape: Shape, values: list[float]) -> None:
        """Any number of runs is drawn, however few or equal; those without a score are counted."""
        figure = distribution_figure({"SAC": np.array(values)}, "return", "t", shape)
        [text] = [text.get_text() for text in figure.legends[0].get_texts()]
        lost = int(np.isnan(values).sum())
        assert (f"({lost} without a score)" in text) == bool(lost)
        assert text.startswith(f"SAC, {len(values) - lost} run")

    def test_heights(self) -> None:
        """Bars of a histogram add up to the runs."""
        values = np.random.default_rng(0).normal(size=40)
        [axes] = distribution_figure({"SAC": values}, "return", "t").axes
        assert axes.patches[0].get_data().values.sum() == 40


class TestResources:
    def test_suggestion(self) -> None:
        """What is suggested is a quarter over the most seen, in steps of 5 minutes and 256 MB."""
        costs = Costs(np.array([10.0, 3600.0]), np.array([np.nan, 1000.0]))
        assert suggestion(costs) == "1:15:00 a run, 1280 MB a process"
        assert suggestion(Costs(np.array([1.0]), np.array([np.nan]))) == "0:05:00 a run"

    def test_unit(self) -> None:
        """Times are told in the largest unit that the longest has two of."""
        for seconds, unit in ((5.0, "seconds"), (120.0, "minutes"), (9000.0, "hours")):
            costs = Costs(np.array([seconds]), np.array([np.nan]))
            assert unit in resources_figure({"SAC": costs}, "t").axes[0].get_xlabel()
