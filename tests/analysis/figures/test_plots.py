"""Laws of the figures of the table: what they show, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run, rewrite_agent
from plots import experiment, listed, plotted, recorded

from nthrun.analysis.figures import plot_utils
from nthrun.errors import NthrunError
from nthrun.records import open_data
from nthrun.records.combine import combine

SCORED = ("sensitivity", "heat_map", "parallel", "distribution", "comparison")


@pytest.mark.parametrize("name", SCORED)
def test_files(tmp_path: Path, name: str) -> None:
    """Each figure is a PNG, a PDF and the list of the runs it shows, which were recorded."""
    root = experiment(tmp_path / "exp").root
    paths = plotted(name, root, "--label", "mine", into=tmp_path)
    assert [path.suffix for path in paths] == [".png", ".pdf", ".json"]
    [[source, parts]] = listed(paths).items()
    assert source == str(root)
    assert parts and {n for part in parts for n in part["indices"]} <= set(range(8))


@pytest.mark.parametrize("name", ["sensitivity", "heat_map", "parallel"])
def test_all_diverged(tmp_path: Path, name: str) -> None:
    """A sweep of which every run diverged without an episode is drawn all the same."""
    empty = {"status": "diverged", "train_episode_rewards": np.empty(0)}
    empty["train_episode_steps"] = np.empty(0, np.int64)
    assert plotted(name, experiment(tmp_path / "exp", **empty).root, into=tmp_path)


def test_metric(tmp_path: Path) -> None:
    """A metric without a known direction needs one; the error says how."""
    root = experiment(tmp_path / "exp", eval_metrics={"r": np.array([1.0, 2.0])}).root
    with pytest.raises(NthrunError, match="hint: give --direction"):
        plotted("parallel", root, "--metric", "r", into=tmp_path)
    assert plotted("parallel", root, "--metric", "r", "--direction", "minimize", into=tmp_path)


def test_parity(tmp_path: Path) -> None:
    """Two experiments are compared; any other number is an error."""
    roots = [experiment(tmp_path / name).root for name in "ab"]
    assert len(plotted("parity", *roots, into=tmp_path)) == 3
    with pytest.raises(NthrunError, match="got 1 data, allowed: 2"):
        plotted("parity", roots[0], into=tmp_path)


def test_resources(tmp_path: Path) -> None:
    """All runs of all settings are listed."""
    [parts] = listed(
        plotted("resources", experiment(tmp_path / "exp").root, into=tmp_path)
    ).values()
    assert sorted(n for part in parts for n in part["indices"]) == list(range(8))


def test_metrics(tmp_path: Path) -> None:
    """Recorded series and actions are drawn; where nothing was recorded, the error says so."""
    root = experiment(tmp_path / "exp", **recorded(0)).root
    assert len(plotted("metrics", root, into=tmp_path)) == 3
    with pytest.raises(NthrunError, match="no metrics or actions are recorded; hint: "):
        plotted("metrics", experiment(tmp_path / "bare").root, into=tmp_path)


def test_unknown_series(tmp_path: Path) -> None:
    """A series that no run has is an error that names those there are, and a file that leaves
    them out one that says so; nothing is drawn."""
    found = experiment(tmp_path / "exp", **recorded(0))
    with pytest.raises(NthrunError, match=r"series 'x' .* hint: there are: critic_loss, entropy"):
        plotted("metrics", found.root, "--metric", "x", into=tmp_path / "out")
    combine(found, found.root / "data.json")
    with pytest.raises(NthrunError, match="leaves out metrics and actions; hint: combine"):
        plotted("metrics", found.root / "data.json", "--metric", "entropy", into=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stages(tmp_path: Path) -> None:
    """Of data with a confirmation the series of the stage asked for are drawn."""
    runs = [make_run(0, 0, 0, [-1.0], [100], stage=s, **recorded(s)) for s in (0, 1)]
    root = make_experiment(tmp_path / "exp", runs=runs).root
    with pytest.raises(NthrunError, match="hint: give --stage"):
        plotted("metrics", root, into=tmp_path)
    [[part]] = listed(plotted("metrics", root, "--stage", "1", into=tmp_path)).values()
    assert part["stage"] == 1
    assert plot_utils.multi_metric(open_data(root), stage=1).axes


@pytest.mark.parametrize("name", ["heat_map", "parallel", "metrics"])
@pytest.mark.parametrize("named", [("--name", "x"), ("--label", "a b", "--label", "a/b")])
def test_one_name(tmp_path: Path, name: str, named: tuple[str, ...]) -> None:
    """Figures of one command that would be written to one file are refused before any is."""
    roots = [experiment(tmp_path / n, **recorded(0)).root for n in "ab"]
    with pytest.raises(NthrunError, match=r"\.png: 2 figures would be written here"):
        plotted(name, *roots, *named, into=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["sensitivity", "distribution", "comparison"])
def test_other_metrics(tmp_path: Path, name: str) -> None:
    """Experiments whose searches go by different metrics share no figure unless one is asked
    for."""
    roots = [experiment(tmp_path / n).root for n in "ab"]
    rewrite_agent(roots[1], search={"metric": "train_time", "goal": "minimize"})
    with pytest.raises(NthrunError, match=r"b: metric: got train_time .*; hint: give a --met"):
        plotted(name, *roots, into=tmp_path)
    assert plotted(name, *roots, "--metric", "return", into=tmp_path)
