"""Laws of the plots of the page."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from analysis.report.report_sweep import summary_of, sweep

from nthrun.analysis.report.plots import Picture, distribution


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
