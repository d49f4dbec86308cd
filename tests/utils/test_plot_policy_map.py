"""Laws of utils/plot_policy_map.py: what is drawn is what the agent does and expects."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import plots
import pytest
import torch
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import imread
from model_runs import recorded_run
from processes import call

from nthrun.analysis.figures.policy_map import policy_map_figure
from nthrun.commands.policy_map import MapView, map_picture
from nthrun.environments.ghm import dynamic_programme, free_boundary
from nthrun.environments.ghm.calibration import Calibration, Rules
from nthrun.errors import NthrunError
from nthrun.training.saved_policy import read_learned, restored

SCRIPT = "utils/plot_policy_map.py"
VIEW = MapView(points=10, cash_max=0.5, slices=(2.0, 10.0))
CASH = np.linspace(0.05, 0.5, 10)
CONTINUOUS = free_boundary.solve(Calibration(), refinancing=True)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Experiments in GHM, and one in Bewley."""
    agents = ("mc_pg", "dp", "barrier", "SAC", "egm")
    return {agent: recorded_run(tmp_path_factory.mktemp(agent), agent) for agent in agents}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def maps(figure: Figure) -> list[np.ndarray]:
    """The numbers of the maps, `(times, cash)` each, the most time last."""
    found = [c for axes in figure.axes for c in axes.collections if isinstance(c, QuadMesh)]
    return [
        np.asarray(mesh.get_array()) for mesh in found if np.asarray(mesh.get_array()).size == 100
    ]


def slices(figure: Figure, panel: int, count: int) -> np.ndarray:
    """The lines of a panel below, `(times, cash)`."""
    below = [axes for axes in figure.axes if axes.get_xlabel().startswith("cash")]
    return np.stack([line.get_ydata() for line in below[panel].get_lines()[:count]])


@pytest.mark.parametrize("agent", ["mc_pg", "dp", "barrier", "SAC"])
@pytest.mark.parametrize("step", [10, None])
def test_the_agent_decides(roots: dict[str, Path], agent: str, step: int | None) -> None:
    """Maps and slices are what the agent does in evaluation, for every cash and time left."""
    learned = read_learned(roots[agent], step=step)
    figure = policy_map_figure(map_picture(learned, VIEW))
    policy = restored(learned)
    cash, left = np.meshgrid(CASH, np.arange(1, 11))
    seen = torch.from_numpy(np.stack([cash / 2.0, left / 10], -1)).float().reshape(1, 100, 2)
    action = policy.program.act_greedily(policy.state, seen)[0].numpy().reshape(10, 10, 2)
    dividend, issuance, *value = maps(figure)
    np.testing.assert_allclose(dividend, action[..., 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(issuance, action[..., 1], rtol=1e-5, atol=1e-6)
    assert len(value) == (agent in ("mc_pg", "dp"))
    for panel, rates in enumerate((dividend, issuance, *value)):
        np.testing.assert_allclose(slices(figure, panel, 2), rates[[1, 9]], rtol=1e-6)


def test_the_values_are_the_agents_own(roots: dict[str, Path]) -> None:
    """dp expects the value of the dynamic programme; mc_pg its baseline, which counts in present
    value at the start, as it is worth by then."""
    figure = policy_map_figure(map_picture(read_learned(roots["dp"]), VIEW))
    optimum = dynamic_programme.solve(Calibration(), Rules(dt=1.0))
    expected = [optimum.value_at(CASH, 10 - left) for left in range(1, 11)]
    np.testing.assert_allclose(maps(figure)[2], expected, rtol=1e-12)
    learned = read_learned(roots["mc_pg"])
    figure = policy_map_figure(map_picture(learned, VIEW))
    weights = {name.removeprefix("baseline."): array for name, array in learned.params.items()}
    seen = np.stack([CASH / 2.0, np.full(10, 0.3)], -1)
    mean, square = (learned.params[f"normaliser.{name}"] for name in ("mean", "square"))
    seen = (seen - mean) / np.sqrt(square - mean**2)
    hidden = np.tanh(seen @ weights["weight1"] + weights["bias1"])
    value = (hidden @ weights["weight2"] + weights["bias2"])[:, 0]
    np.testing.assert_allclose(maps(figure)[2][2], value * math.exp(0.02 * 7), rtol=1e-4)


def test_the_free_boundary_is_drawn(roots: dict[str, Path]) -> None:
    """Payout boundary and refinancing target of continuous time are in every panel, as far as the
    cash goes; by default it goes 2.5 times as far as the boundary."""
    picture = map_picture(read_learned(roots["mc_pg"]), MapView())
    assert picture.surface.cash[-1] == pytest.approx(2.5 * CONTINUOUS.payout_boundary)
    assert [*picture.slices.years_left] == [1, 2, 5, 8, 10]  # in steps of a year
    places = [CONTINUOUS.payout_boundary, CONTINUOUS.refinancing_target]
    panels = [axes for axes in policy_map_figure(picture).axes if axes.get_lines()]
    assert len(panels) == 6
    for axes in panels:
        assert [float(line.get_xdata()[0]) for line in axes.get_lines()[-2:]] == places
    low = MapView(points=5, cash_max=0.1)
    figure = policy_map_figure(map_picture(read_learned(roots["mc_pg"]), low))
    [line] = figure.axes[0].get_lines()
    assert float(line.get_xdata()[0]) == places[1]


def test_a_firm_without_a_boundary_is_drawn_all_the_same(tmp_path: Path) -> None:
    """Where continuous time has no optimum, cash goes as far as episodes start with, and no
    boundary is drawn."""
    root = recorded_run(tmp_path, "barrier", {"calibration.lambda": 0.0, "cash_max": 0.7})
    picture = map_picture(read_learned(root), MapView(points=5))
    assert (picture.payout, picture.target) == (None, None)
    assert picture.surface.cash[-1] == 0.7
    assert not policy_map_figure(picture).axes[0].get_lines()


def test_the_script_writes_a_picture(tmp_path: Path, roots: dict[str, Path]) -> None:
    """By default the file is named after the index; its suffix says its kind."""
    root = str(roots["dp"])
    done = call(SCRIPT, root, "--points", "5", "--slices", "1,5", "--step", "10", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("policy_map_index0.png\n", "")
    picture = imread(tmp_path / "policy_map_index0.png")
    assert picture.min() < 0.2 and picture.max() == 1.0
    for kind, begin in (("pdf", b"%PDF-"), ("svg", b"<?xml")):
        path = tmp_path / "new" / f"map.{kind}"
        assert plots.drawn("policy_map", root, "--points", "3", "--out", path) == [path]
        assert path.read_bytes().startswith(begin)


@pytest.mark.parametrize(
    ("agent", "asked", "said"),
    [
        ("egm", "", "policy maps are of GHM, got Bewley"),
        ("mc_pg", "--step 11", "--step 11: .*, allowed: 0,10,20; hint: "),
        ("mc_pg", "--slices 0.1", "--slices 0.1: allowed: years from 1 to 10"),
        ("mc_pg", "--slices 2,11", "--slices 2,11: allowed: years from 1 to 10"),
        ("mc_pg", "--slices -1e300", "--slices -1e\\+300: allowed: years from 1 to"),
        ("mc_pg", "--cash-max 0", "--cash-max 0: allowed: above 0"),
        ("mc_pg", "--out map", "map: got suffix '', allowed: .png, .pdf, .svg"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    here: Path, roots: dict[str, Path], agent: str, asked: str, said: str
) -> None:
    """Another environment, and steps, times, cash and files that there are not, are told in one
    line, and there is no picture."""
    with pytest.raises(NthrunError, match=said) as caught:
        plots.drawn("policy_map", roots[agent], *asked.split())
    assert len(caught.value.lines()) == 1
    assert list(here.iterdir()) == []


def test_the_script_says_what_is_wrong(tmp_path: Path, roots: dict[str, Path]) -> None:
    """An error of the script is one line and exit code 2."""
    done = call(SCRIPT, str(roots["mc_pg"]), "--slices", "two", cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith("got two, allowed: years such as 0.5,2.5,10")
