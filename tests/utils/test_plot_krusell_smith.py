"""Figures of runs in the economies of Krusell and Smith, and the arrays that they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from plots import drawn
from processes import ROOT

from nthrun.analysis.figures.base import Drawn
from nthrun.commands import krusell_smith
from nthrun.commands.krusell_smith import (
    function_arrays,
    impulse_response,
    law_arrays,
    path_arrays,
    response_arrays,
    simulated_path,
)
from nthrun.environments.krusell_smith.declaration import economy_of
from nthrun.errors import NthrunError
from nthrun.training.saved_policy import Learned, read_learned

DEMO = ROOT / "docs/demo/solvers/KrusellSmith_bellman_ac.h5"
BEWLEY = ROOT / "docs/demo/solvers/Bewley_euler_quadrature.h5"


@pytest.fixture(scope="module")
def learned() -> Iterator[Learned]:
    """What the demo's run has learned in 300 steps, near the exact rule already; its households
    live along the path once for all tests."""
    run, solved_run = read_learned(DEMO), krusell_smith.solved_run
    solved = solved_run(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            krusell_smith, "solved_run", lambda of: solved if of is run else solved_run(of)
        )
        yield run


def names_of(drawn_figure: Drawn) -> list[str]:
    """What the legend of a figure says."""
    (legend,) = drawn_figure[0].legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.slow
def test_functions_are_near_the_exact_ones(learned: Learned) -> None:
    """At the wealth that households have, the learned rule consumes and saves about what the exact
    one does, within its budget; the value rises in wealth."""
    arrays = function_arrays(learned, None, None, 1.5, scatter=False)
    economy = economy_of(learned.spec.environment.values)
    assert arrays["c"].shape == (economy.num_kinds, 200)
    usual = slice(20, None)
    np.testing.assert_allclose(arrays["c"][:, usual], arrays["exact_c"][:, usual], rtol=0.02)
    together = arrays["c"] + arrays["a_next"] - arrays["exact_c"] - arrays["exact_a_next"]
    np.testing.assert_allclose(together, 0.0, atol=1e-9)
    assert (np.diff(arrays["exact_v"], axis=1) > 0).all()
    assert arrays["distribution"].sum() == pytest.approx(1.0)
    assert float(arrays["capital"]) == pytest.approx(0.6, abs=0.2)


def test_a_path_is_that_of_the_same_productivity(learned: Learned) -> None:
    """Learned and exact K go along one path of Z, near each other, the run's by its agent's name;
    dates lie within it."""
    arrays = path_arrays(learned, 200, 60)
    assert {arrays[name].shape for name in ("tfp", "capital", "exact_capital", "z_index")} == {
        (60,)
    }
    assert "exact_tfp" not in arrays
    np.testing.assert_allclose(arrays["capital"], arrays["exact_capital"], rtol=0.1)
    assert list(arrays["date"][[0, -1]]) == [200, 259]
    assert names_of(simulated_path.draw(learned, arrays)) == ["bellman_ac", "exact solution"]


def test_laws_are_near_each_other(learned: Learned) -> None:
    """Growth by the learned law differs from the exact law's by less than a percentage point."""
    arrays = law_arrays(learned)
    gap = arrays["line_log_growth"] - arrays["exact_line_log_growth"]
    assert np.abs(gap).max() < 0.01
    assert np.abs(arrays["residual"]).max() < 0.005


def test_a_better_productivity_raises_capital(learned: Learned) -> None:
    """The responses of both rules rise together after Z does; a legend names both."""
    arrays = response_arrays(learned, None, None, 20)
    assert arrays["capital"][10] > 1.0
    assert arrays["capital"][10] == pytest.approx(arrays["exact_capital"][10], rel=0.2)
    assert names_of(impulse_response.draw(learned, arrays)) == ["bellman_ac", "exact solution"]
    high, usual = response_arrays(learned, 4, None, 2)["states"]
    assert usual < high


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("equilibrium_functions", ("--state", "5"), "--state 5: allowed: 0 to 4"),
        ("impulse_response", ("--from", "9"), "--from 9: allowed: 0 to 4"),
        ("impulse_response", ("--to", "2"), "--to 2: allowed: another state than --from"),
        ("law_of_motion", ("--npz", "a.txt"), "got suffix '.txt', allowed: .npz"),
    ],
)
def test_what_there_is_not_is_refused(name: str, options: tuple[str, ...], line: str) -> None:
    """States that there are not, no change, and another kind of file."""
    with pytest.raises(NthrunError) as raised:
        drawn(name, *options)
    assert line in raised.value.message


def test_a_run_of_another_environment_is_refused() -> None:
    """The line names both environments."""
    with pytest.raises(NthrunError, match="the figure is of KrusellSmith, got Bewley"):
        drawn("law_of_motion", BEWLEY)


def test_a_figure_is_drawn_with_its_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learned: Learned
) -> None:
    """It is a picture that is neither blank nor black, under its own name, and --npz holds its
    arrays."""
    monkeypatch.chdir(tmp_path)
    paths = drawn("law_of_motion", "--npz", "law.npz")
    assert [path.name for path in paths] == ["law_of_motion.png", "law.npz"]
    assert imread(paths[0]).min() < 0.3
    with np.load("law.npz") as kept:
        assert {*kept} == {*law_arrays(learned)}


@pytest.mark.slow
def test_points_over_productivity_and_wealth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--scatter shows at least 10,000 of them."""
    monkeypatch.chdir(tmp_path)
    drawn("equilibrium_functions", "--scatter", "--out", "points.png", "--npz", "points.npz")
    assert imread("points.png").min() < 0.3
    with np.load("points.npz") as kept:
        assert kept["c"].size >= 10_000
