"""Laws of sensitivity curves, heat maps and the scores of settings that they are made of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sweeps import GRID, make_scores

from nthrun.analysis.figures.heat_map import cells_of, heat_map_figure
from nthrun.analysis.figures.sensitivity import (
    Others,
    SensitivityView,
    sensitivity_figure,
    sensitivity_line,
)
from nthrun.analysis.figures.value_scale import value_scale
from nthrun.analysis.ranking import RankedSettings, ranked_settings, tied
from nthrun.errors import NthrunError


def hill(parameters: Mapping[str, Any], run: int) -> float:
    """Best at critic_lr .01 with actor_lr .1, and at .1 with .2."""
    high = {(1e-2, 0.1): 5.0, (1e-1, 0.2): 4.0}
    return high.get((parameters["critic_lr"], parameters["actor_lr"]), 0.0) + parameters["decay"]


def line(settings: RankedSettings, name: str, others: Others) -> Any:
    """A line of one hyperparameter."""
    return sensitivity_line(settings, value_scale(name, settings.values(name)), others, "")


def texts_of(figure: Figure) -> list[str]:
    """Everything written into the panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


class TestLine:
    def test_best(self) -> None:
        """At each value stands the best setting that has it."""
        found = line(ranked_settings(make_scores(GRID, hill)), "critic_lr", "best")
        np.testing.assert_allclose(found.centre, [0.9, 5.9, 4.9])

    def test_slice(self) -> None:
        """With the others as in the best setting, another optimum elsewhere is not seen."""
        found = line(ranked_settings(make_scores(GRID, hill)), "critic_lr", "slice")
        np.testing.assert_allclose(found.centre, [0.9, 5.9, 0.9])

    def test_lowest(self) -> None:
        """Where lower is better the lowest setting stands at each value."""
        scores = make_scores(GRID, lambda p, run: -hill(p, run), higher_is_better=False)
        np.testing.assert_allclose(
            line(ranked_settings(scores), "actor_lr", "best").centre, [-5.9, -4.9]
        )

    def test_lost(self) -> None:
        """A setting that lost a run is worse than any that lost none, and says how many it lost."""
        scores = make_scores(GRID, hill, lost=lambda p, run: p["decay"] == 0.9 and run == 0)
        found = line(ranked_settings(scores), "critic_lr", "best")
        np.testing.assert_allclose(found.centre, [0.5, 5.5, 4.5])
        only = line(ranked_settings(scores), "decay", "best")
        assert (only.num_runs.tolist(), only.num_lost.tolist()) == ([3, 3], [0, 1])

    def test_without_value(self) -> None:
        """A value whose runs have no score has a place, its lost runs, and no number."""
        scores = make_scores({"lr": [0.1, 1.0]}, lambda p, run: 1.0 if p["lr"] < 1 else np.nan)
        found = line(ranked_settings(scores), "lr", "best")
        assert found.centre.tolist()[0] == 1.0 and np.isnan(found.centre[1])
        assert (found.places.tolist(), found.num_lost.tolist()) == ([0, 1], [0, 3])

    def test_tied(self) -> None:
        """Hyperparameters that vary together go together in a slice."""
        grid = {"batch": [[8, 100], [16, 200]], "lr": [0.1, 0.2]}
        scores = make_scores(grid, lambda p, run: p["batch"][0] + p["lr"])
        for parameters in scores.parameters.values():
            parameters["size"], parameters["room"] = parameters.pop("batch")  # type: ignore[attr-defined]
        settings = ranked_settings(scores)
        assert tied(settings, "size") == {"size", "room"}
        np.testing.assert_allclose(line(settings, "size", "slice").centre, [8.2, 16.2])


class TestFigure:
    def test_panels(self) -> None:
        """Each swept hyperparameter has a panel, with the runs and the lost runs of its points."""
        scores = make_scores(GRID, hill, 3, lost=lambda p, run: p["critic_lr"] == 0.1 and run < 2)
        figure, shown = sensitivity_figure({"SAC": scores}, [], "t")
        assert [axes.get_xlabel() for axes in figure.axes] == list(GRID)
        assert "3−2" in texts_of(figure) and "3" in texts_of(figure)
        assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "linear"]
        assert {part.source for part in shown} == {"data.json"}

    def test_several(self) -> None:
        """Agents with other values of a hyperparameter share its axis, each with its own points."""
        one = make_scores({"lr": [0.1, 1.0]}, lambda p, run: p["lr"])
        other = make_scores({"lr": [1.0, 10.0]}, lambda p, run: -p["lr"])
        view = SensitivityView(("best",), "none")
        [axes] = sensitivity_figure({"SAC": one, "VAC": other}, ["lr"], "t", view)[0].axes
        drawn = [line.get_xdata() for line in axes.lines if line.get_linestyle() != "None"]
        assert [list(x) for x in drawn] == [[0.1, 1.0], [1.0, 10.0]]

    def test_unknown(self) -> None:
        """A hyperparameter that settings do not differ in is an error that names those they do."""
        scores = make_scores({**GRID, "tau": [0.1]}, hill)
        with pytest.raises(
            NthrunError, match="got 'tau', allowed: critic_lr, actor_lr, decay; hint"
        ):
            sensitivity_figure({"SAC": scores}, ["tau"], "t")
        with pytest.raises(NthrunError, match="all settings have the same hyperparameters"):
            sensitivity_figure({"SAC": make_scores({"lr": [1]}, lambda p, run: 0.0)}, [], "t")

    @pytest.mark.slow
    def test_large(self) -> None:
        """A sweep of 100,000 runs is drawn within 30 seconds."""
        grid = {name: [10.0**-n for n in range(10)] for name in ("a", "b", "c", "d")}
        values = np.random.default_rng(0).normal(size=(100_000,))
        scores = make_scores(grid, lambda p, run: float(run), 10)
        scores.values[:] = values
        start = time.perf_counter()
        sensitivity_figure({"SAC": scores}, [], "t")
        assert time.perf_counter() - start < 30


class TestHeatMap:
    def test_cells(self) -> None:
        """Each cell has the best setting of its two values, rising to the right and upwards."""
        cells = cells_of(ranked_settings(make_scores(GRID, hill)), ("critic_lr", "actor_lr"))
        np.testing.assert_allclose(cells.values, [[0.9, 5.9, 0.9], [0.9, 0.9, 4.9]])

    def test_texts(self) -> None:
        """Cells say their score and how many runs were lost; one without a score says only that."""
        scores = make_scores(
            {"lr": [0.1, 1.0], "kind": ["a", "b"]},
            lambda p, run: np.nan if p == {"lr": 1.0, "kind": "b"} else -1234.5,
            lost=lambda p, run: p["lr"] == 1.0 and run == 0,
        )
        figure, _ = heat_map_figure(scores, [], "t")
        assert texts_of(figure) == ["−1230", "−1230\n1 lost", "−1230", "3 lost"]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no run has a score"]

    def test_two(self) -> None:
        """Anything but two hyperparameters is an error."""
        with pytest.raises(NthrunError, match="got decay, allowed: two of them"):
            heat_map_figure(make_scores(GRID, hill), ["decay"], "t")
        with pytest.raises(NthrunError, match="got decay, decay, allowed: two that differ"):
            heat_map_figure(make_scores(GRID, hill), ["decay", "decay"], "t")


@pytest.mark.parametrize("num_runs", [5, 60])
def test_band_text(num_runs: int) -> None:
    """The legend tells a tolerance band where there are enough runs for one, else their range."""
    scores = make_scores({"lr": [0.1, 1.0]}, lambda p, run: float(run), num_runs)
    view = SensitivityView(("best",), "tolerance")
    figure, _ = sensitivity_figure({"SAC": scores}, [], "t", view)
    text = figure.legends[0].get_title().get_text().replace("\n", " ")
    assert ("range of runs" in text) == (num_runs < 46)
    assert "tolerance band of 90% of runs with a value" in text
