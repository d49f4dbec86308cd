"""Laws of parallel coordinates."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from analysis.report.report_sweep import summary_of, sweep
from matplotlib.colors import to_hex

from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report.parallel_chart import COLOURS, drawn_rows, parallel_chart
from nthrun.analysis.report.settings_table import settings_table


def test_colours() -> None:
    """Colours of settings are those of the other figures."""
    steps = np.linspace(0, 1, len(COLOURS))
    assert [to_hex(mpl.colormaps["cividis"](step)) for step in steps] == list(COLOURS)


@pytest.mark.parametrize("number", [1, 600, 601, 10_000])
def test_drawn_rows(number: int) -> None:
    """At most 600 settings are drawn, each once, the best and the worst among them."""
    rows = drawn_rows(number)
    assert rows == sorted(set(rows))
    assert len(rows) == min(number, 600)
    assert (rows[0], rows[-1]) == (0, number - 1)


def test_parallel_lines(tmp_path: Path) -> None:
    """Every setting is a line: higher where it is better, dotted where it lost runs."""
    summary = summary_of(sweep(tmp_path / "e"))
    settings = ranked_settings(summary.scores)
    chart = parallel_chart(settings, settings_table(settings, summary.choice))
    heights = chart.numbers["axes"][-1]["y"]
    assert [axis.name for axis in chart.axes] == ["critic_lr", "decay", "return"]
    assert heights[:5] == sorted(heights[:5])
    assert [line.row for line in chart.lines] == [5, 4, 3, 2, 1, 0]
    assert [line.row for line in chart.lines if line.lost] == [5]
