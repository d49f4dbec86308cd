"""Laws of learning curves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from nthrun.analysis.curves import Curve
from nthrun.analysis.figures.curves import (
    CurveView,
    learning_curve_figure,
    shown_runs,
)
from nthrun.errors import NthrunError

ROOT = Path(__file__).resolve().parents[3]


def make_curve(num_runs: int = 3, source: str = "data.json", num_diverged: int = 0) -> Curve:
    """A rising curve of `num_runs` noisy runs."""
    grid = np.linspace(1, 50_000, 120).astype(np.int64)
    noise = np.random.default_rng(num_runs).normal(0, 40, (num_runs, len(grid)))
    runs = -1400 * np.exp(-grid / 9000) + noise
    return Curve(
        source=source,
        stage=0,
        setting_number=7,
        indices=tuple(range(7, 7 + 10 * num_runs, 10)),
        statuses=("diverged",) * num_diverged + ("completed",) * (num_runs - num_diverged),
        grid=grid,
        runs=runs,
    )


def legend_of(figure: Figure) -> list[str]:
    """The legend's entries."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestLearningCurveFigure:
    def test_axes(self) -> None:
        """Both axes say what they show, and no frame is drawn at the top and right."""
        [axes] = learning_curve_figure({"SAC": make_curve()}, "Pendulum-v1").axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("training step", "return (step-weighted)")
        assert axes.get_title() == "Pendulum-v1"
        visible = {side for side, spine in axes.spines.items() if spine.get_visible()}
        assert visible == {"left", "bottom"}

    def test_quantities(self) -> None:
        """The vertical axis says what is shown: each quantity once."""
        shown = [make_curve(1), make_curve(2), replace(make_curve(1), quantity="oracle_gap")]
        [axes] = learning_curve_figure({str(n): c for n, c in enumerate(shown)}, "t").axes
        assert axes.get_ylabel() == "return (step-weighted) or oracle_gap"

    def test_legend(self) -> None:
        """The legend tells label, setting, number of runs and how many did not complete."""
        curves = {"SAC": make_curve(3, num_diverged=1), "VAC": make_curve(1)}
        assert legend_of(learning_curve_figure(curves, "t")) == [
            "SAC, setting 7, 3 runs (1 diverged)",
            "VAC, setting 7, 1 run",
        ]

    def test_several_runs(self) -> None:
        """A line of the mean, a band from low to high, and a line a run."""
        curve = make_curve(5)
        [axes] = learning_curve_figure({"SAC": curve}, "t").axes
        mean, *thin = axes.lines
        np.testing.assert_array_equal(mean.get_ydata(), curve.mean)
        assert len(thin) == 5
        [band] = axes.collections
        assert isinstance(band, PolyCollection)
        corners = np.asarray(band.get_paths()[0].vertices)[:, 1]
        assert (corners.min(), corners.max()) == (curve.low.min(), curve.high.max())

    def test_one_run(self) -> None:
        """One run is one line: no band, no second line, no word of a mean."""
        figure = learning_curve_figure({"SAC": make_curve(1)}, "t")
        [axes] = figure.axes
        assert (len(axes.lines), len(axes.collections)) == (1, 0)
        assert figure.legends[0].get_title().get_text() == ""

    def test_several_curves(self) -> None:
        """No two curves look alike, in colour and line style together."""
        curves = {str(n): make_curve(1) for n in range(12)}
        [axes] = learning_curve_figure(curves, "t").axes
        assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 12

    def test_global_state(self, tmp_path: Path) -> None:
        """Drawing and saving neither imports pyplot nor changes matplotlib's settings."""
        code = (
            "import sys, matplotlib as mpl\n"
            "from pathlib import Path\n"
            "from nthrun.analysis.figures.curves import learning_curve_figure\n"
            "from nthrun.analysis.figures.saving import Folders, save_figure\n"
            "settings = lambda: {k: mpl.rcParams[k] for k in mpl.rcParams if k != 'backend'}\n"
            "before, place = settings(), Path(sys.argv[1])\n"
            "save_figure(learning_curve_figure({}, 't'), 'f', Folders(place, place), [])\n"
            "assert settings() == before\n"
            "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot'\n"
            "assert 'torch' not in sys.modules, 'torch'\n"
        )
        subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True)


class TestView:
    def test_options(self) -> None:
        """The line can be the median, bands and thin runs can be left out, axes be cut."""
        curve = make_curve(5)
        view = CurveView("none", "median", False, x_limits=(0, 100), y_limits=(-9, 9))
        [axes] = learning_curve_figure({"SAC": curve}, "t", view=view).axes
        [line] = axes.lines
        np.testing.assert_array_equal(line.get_ydata(), np.median(curve.runs, axis=0))
        assert (axes.get_xlim(), axes.get_ylim(), len(axes.collections)) == ((0, 100), (-9, 9), 0)

    def test_log(self) -> None:
        """On a logarithmic axis runs are magnitudes, and the label says so."""
        curve = replace(make_curve(1), runs=np.array([[-1.0, 10.0]]), grid=np.array([1, 2]))
        [axes] = learning_curve_figure({"x": curve}, "t", view=CurveView(log_y=True)).axes
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, 10.0])
        assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "|return (step-weighted)|")

    def test_median_band(self) -> None:
        """A Student band of a median is an error that says what there is."""
        view = CurveView("student", "median")
        with pytest.raises(NthrunError, match="student of a median, allowed: bootstrap, tolerance"):
            learning_curve_figure({"x": make_curve(3)}, "t", view=view)

    @pytest.mark.parametrize("num_runs", [10, 100])
    def test_tolerance(self, num_runs: int) -> None:
        """A tolerance band leaves out extreme runs where there are enough, and says so if not."""
        curve = make_curve(num_runs)
        figure = learning_curve_figure({"x": curve}, "t", view=CurveView("tolerance"))
        text = figure.legends[0].get_title().get_text().replace("\n", " ")
        assert ("range of runs (tolerance band of 90% of runs with a value needs 46)" in text) == (
            num_runs < 46
        )
        [band] = figure.axes[0].collections
        top = np.asarray(band.get_paths()[0].vertices)[:, 1].max()
        assert (top < curve.runs.max()) == (num_runs >= 46)


class TestShownRuns:
    def test_few(self) -> None:
        """Up to 30 runs are all shown, best first."""
        runs = np.arange(30.0)[:, None].repeat(2, axis=1)
        assert shown_runs(runs).tolist() == list(range(29, -1, -1))

    @pytest.mark.parametrize("num_runs", [31, 100])
    def test_many(self, num_runs: int) -> None:
        """Of more runs the best five, the five around the median and the worst five are shown."""
        runs = np.arange(float(num_runs))[:, None]
        shown = shown_runs(runs).tolist()
        assert shown[:5] == [num_runs - 1 - n for n in range(5)]
        assert abs(np.mean(shown[5:10]) - np.median(runs)) <= 0.5
        assert shown[10:] == [4, 3, 2, 1, 0]

    def test_without_values(self) -> None:
        """Runs without a value are not shown."""
        assert shown_runs(np.array([[np.nan], [1.0], [np.inf]])).tolist() == [1]
