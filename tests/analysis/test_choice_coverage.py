"""What is said of a choice is true as often as it is said, in simulated sweeps."""

from __future__ import annotations

import re
import runpy
from typing import Any

import numpy as np
import pytest
from processes import ROOT
from scored import make_scores

from nthrun.analysis.choice import choose

SIMULATION: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks/choice_coverage.py"))
PAGE = (ROOT / "docs/statistics.md").read_text()


@pytest.mark.parametrize("kind", list(SIMULATION["KINDS"]))
@pytest.mark.parametrize("num_runs", [3, 10])
def test_choices(kind: str, num_runs: int) -> None:
    """What `choose` states of the setting it chooses has the true mean in at least 93 % of sweeps
    of equal settings, where the winner is flattered most, whatever runs are like."""
    generator = np.random.default_rng(num_runs)
    sweeps = SIMULATION["KINDS"][kind](generator, np.zeros(30), (60, 30, num_runs))
    choices = [choose(make_scores([*runs]), num_resamples=10) for runs in sweeps]
    assert np.mean([each.low <= 0.0 <= each.high for each in choices]) >= 0.93
    assert all("at least 95 %" in each.estimates[0].text() for each in choices)


@pytest.mark.parametrize(("share", "loss", "covered"), [(0.05, 20, 71), (0.02, 50, 33)])
def test_failures_that_are_seldom_seen(share: float, loss: int, covered: int) -> None:
    """The page says how often the interval has the mean where bad runs are so rare that most
    settings show none."""
    assert f" in {covered} %" in " ".join(PAGE.split())
    generator, shape = np.random.default_rng(0), (150, 30, 10)
    sweeps = generator.normal(size=shape) - loss * (generator.random(shape) < share)
    choices = [choose(make_scores([*runs]), num_resamples=10) for runs in sweeps]
    has_mean = np.mean([each.low <= -loss * share <= each.high for each in choices])
    assert 100 * has_mean == pytest.approx(covered, abs=12)


def numbers_of(line: str) -> list[float]:
    """The numbers of a row after its two names."""
    return [float(cell) for cell in line.strip("| ").split(" | ")[2:]]


@pytest.mark.slow
def test_the_table() -> None:
    """In every row of the table the interval has the mean in at least 93 % of sweeps, and the page
    of statistics shows the rows that the simulation makes."""
    rows = [*SIMULATION["table"](2000, 100)]
    shown = re.findall(r"^\| (?:normal|common|ties|pruned|low|high).* \|$", PAGE, re.M)
    assert len(rows) == len(shown) == 6 * 3 * 3
    for row, line in zip(rows, shown, strict=True):
        assert row.covered >= 0.93
        assert line.startswith(f"| {row.kind} | {row.gap} | {row.num_runs} |")
        assert numbers_of(line)[:4] == pytest.approx(numbers_of(str(row))[:4], abs=2.0)
        assert numbers_of(line)[4:] == pytest.approx(numbers_of(str(row))[4:], abs=12.0)
