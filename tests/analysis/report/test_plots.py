"""Laws of the plots of the page."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from analysis.report.report_sweep import summary_of, sweep
from processes import ROOT

from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report.plots import Picture, Plot, distribution, plots_of


def test_long_names(tmp_path: Path) -> None:
    """Two long names of which a picture shows the same beginning and end are drawn apart, and
    dollar signs are no mathematics."""
    summary = summary_of(sweep(tmp_path / "e"))
    labels = ["$x^$" + "a" * 80 + middle + "b" * 80 for middle in "12"]
    plot = distribution(dict.fromkeys(labels, (summary, summary.scores)))
    assert plot and isinstance(plot.chart, Picture)
    picture = base64.b64decode(plot.chart.address.partition("base64,")[2]).decode()
    texts = re.findall(r"<!-- (.*?) -->", picture)
    assert [text[:4] for text in texts if "…" in text] == ["1: $", "2: $"]


@pytest.mark.parametrize(
    ("data", "title", "metric"),
    [
        ("RBC_ppo_types.h5", "Roles", "evaluation"),
        ("RBC_best_response.json", "Best responses", "evaluation"),
    ],
)
def test_games_are_shown(data: str, title: str, metric: str) -> None:
    """Where roles act, the page shows what they earn as they learn, or what responses gain."""
    summary = summary_of(ROOT / "docs/demo/games" / data, metric=metric)
    settings = ranked_settings(summary.scores)
    [plot] = [
        p for p in plots_of(summary, settings, []) if isinstance(p, Plot) and p.title == title
    ]
    assert isinstance(plot.chart, Picture)
    assert plot.num_runs == len(summary.data.entries)
