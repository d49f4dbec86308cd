"""Figures of games: rewards of roles as they learn, and best responses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from plots import drawn, plotted
from processes import ROOT

from nthrun.analysis.best_responses import Case, Checkpoint, Responses, over_parents
from nthrun.analysis.figures.games import (
    arrows_figure,
    bars_figure,
    game_figure,
    points_of,
    spreads_of,
    starts_of,
)
from nthrun.analysis.figures.reading import entries_of
from nthrun.errors import DataFileError
from nthrun.records.data import open_data

GAMES = ROOT / "docs/demo/games"
LEARNED, RESPONDED = GAMES / "RBC_ppo_types.h5", GAMES / "RBC_best_response.json"
ROLES = ("consumer", "firm", "government")


def responses(before: list[float], gain: float) -> Responses:
    """That gain the same from everywhere."""
    return Responses(np.array(before), np.array(before) + gain)


def test_spreads_are_what_runs_recorded() -> None:
    """Rewards of the roles come first; every number has its quartiles, means over the runs, and
    starts are those of the roles that do not learn from the beginning."""
    data = open_data(LEARNED)
    entries = entries_of(data)
    spreads = spreads_of(data, entries)
    rewards = [f"reward_{role}" for role in ROLES]
    names = [spread.name for spread in spreads]
    assert names == [*rewards, "price", "wage", "income_tax", "corporate_tax"]
    records = [entry.load(()) for entry in entries]
    first = np.mean([record["metrics"]["reward_firm_q75"][0] for record in records])
    firm = spreads[1]
    assert firm.high[0] == pytest.approx(first)
    assert firm.grid[-1] == len(records[0]["metrics"]["reward_firm"])
    assert all((s.low <= s.high).all() for s in spreads)
    assert spreads[3].low[0] == spreads[3].high[0] == 1000.0  # the mask of the first step
    assert starts_of(data, entries) == {"firm": 100, "government": 200}
    figure = game_figure(spreads, starts_of(data, entries), "a game")
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == [*(f"{role}: reward" for role in ROLES), "price", "wage", "tax"]
    assert [len(axes.lines) for axes in figure.axes] == [3, 3, 3, 3, 3, 4]


def test_bars_are_before_and_after_by_checkpoint() -> None:
    """A panel for each role, two bars for each checkpoint, as high as the mean over parents, each
    of which counts alike, however often it was responded to."""
    found = {}
    for role in ("consumer", "firm"):
        for step in (0, 9):
            checkpoint = Checkpoint("RBC", "type", role, step, 0)
            found[Case("RBC index 0", 0, checkpoint, 0)] = responses([1.0, 3.0], 2.0 + step)
            found[Case("RBC index 1", 0, checkpoint, 1)] = responses([4.0], 2.0 + step)
    pooled = over_parents(found)
    assert len(pooled) == 4
    figure = bars_figure(pooled, "responses")
    for axes, role in zip(figure.axes, ("consumer", "firm"), strict=True):
        assert axes.get_title() == role
        heights = [patch.get_height() for patch in axes.patches]
        assert heights == pytest.approx([3.0, 5.0, 3.0, 14.0])
        ticks = [label.get_text() for label in axes.get_xticklabels()]
        assert ticks == ["step 0", "step 9"]


def test_arrows_go_to_what_one_role_earns_by_its_response() -> None:
    """One along each axis from each parent, but for changes of less than one percent."""
    data = open_data(RESPONDED)
    cases = {}
    for role, gain in (("consumer", 5.0), ("firm", 0.5), ("government", 7.0)):
        case = Case("RBC index 0", 0, Checkpoint("RBC", "type", role, 9, 0), 0)
        cases[case] = responses([100.0], gain)
    points = points_of(data, cases)
    [point] = points
    assert point.roles == ("consumer", "firm")
    assert (point.before, point.after) == ([100.0, 100.0], [105.0, 100.5])
    [arrow] = arrows_figure(points, "arrows").axes[0].texts
    assert arrow.get_position() == (100.0, 100.0) and tuple(arrow.xy) == (105.0, 100.0)
    alone = {case: found for case, found in cases.items() if case.checkpoint.role == "firm"}
    with pytest.raises(DataFileError, match="no run was responded to by two roles"):
        points_of(data, alone)


@pytest.mark.parametrize(
    ("name", "options"),
    [("game", ()), ("best_responses", ()), ("best_responses", ("--shape", "arrows"))],
)
def test_demo_is_drawn(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    """Without DATA the demo's games are."""
    paths = plotted(name, *options, into=tmp_path)
    [png] = [path for path in paths if path.suffix == ".png"]
    assert imread(png).min() < 0.3


@pytest.mark.parametrize(
    ("name", "path", "told"),
    [
        ("game", "agents/CartPole-v1_Sarsa.json", "leaves out metrics and actions"),
        ("game", "metrics/Pendulum-v1_SAC.h5", "no rewards of roles are recorded"),
        (
            "best_responses",
            "games/RBC_ppo_types.h5",
            "runs of ppo_types, allowed: of best_response",
        ),
    ],
)
def test_other_data_are_refused(tmp_path: Path, name: str, path: str, told: str) -> None:
    """In one line that says what is missing."""
    with pytest.raises(DataFileError, match=told):
        drawn(name, ROOT / "docs/demo" / path, "--out", tmp_path / "f.png")
