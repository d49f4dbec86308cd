"""What the shipped settings of the learners of KrusellSmith reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from packs import pack_of

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.training.context import make_context
from nthrun.training.loop import Training

CONFIG = Path(__file__).parents[3] / "config"
TARGETS = {"euler_ks": (2e-3, 1e-3, 0.015), "bellman_ac": (5e-3, 1e-3, 0.03)}
"""Agent -> the largest and the mean gap of log K', and of mean K as a share."""


@pytest.mark.slow
@pytest.mark.parametrize("agent", TARGETS)
def test_the_shipped_setting_finds_the_law_of_motion(agent: str) -> None:
    """A learned rule makes the law of motion of the exact solution, at every date at which it is
    compared, and its mean K."""
    files = (CONFIG / "environment/KrusellSmith.json", CONFIG / f"agent/{agent}.json")
    spec = read_experiment_spec(*([str(file)] for file in files))
    (run,) = Training(pack_of(spec, [0]), make_context(spec)).run()
    found = [run["eval_metrics"][name][-1] for name in ("oracle_gap", "oracle_gap_mean")]
    largest, mean, of_capital = TARGETS[agent]
    assert found[0] <= largest
    assert found[1] <= mean
    assert abs(run["eval_metrics"]["mean_k_gap"][-1]) <= of_capital


@pytest.mark.slow
def test_the_textbooks_law_is_found() -> None:
    """The rule of the textbook's economy has its mean K within 1 % and its law of motion within
    .003 of each intercept and .001 of each slope."""
    files = (CONFIG / "environment/KrusellSmith_jedc.json", CONFIG / "agent/euler_ks.json")
    spec = read_experiment_spec(*([str(file)] for file in files))
    (run,) = Training(pack_of(spec, [0]), make_context(spec)).run()
    found = {name: series[-1] for name, series in run["eval_metrics"].items()}
    assert abs(found["mean_k_gap"]) <= 0.01
    exact = [(0.12512, 0.96521), (0.13780, 0.96323)]
    for state, (intercept, slope) in enumerate(exact):
        assert found[f"law_intercept_{state}"] == pytest.approx(intercept, abs=3e-3)
        assert found[f"law_slope_{state}"] == pytest.approx(slope, abs=1e-3)
