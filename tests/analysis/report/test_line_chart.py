"""Laws of the axes of learning curves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nthrun.analysis.report.line_chart import fitted, linear_ticks

numbers = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(st.lists(numbers, min_size=1), st.booleans())
def test_scale(values: list[float], log: bool) -> None:
    """All values stand within the axis, in order, and so do its ticks, of which there are some."""
    kept = np.unique([abs(v) + 1e-6 if log else v for v in values])
    scale = fitted([kept, np.array([np.nan, np.inf])], 300.0, 10.0, log)
    positions = scale.positions(kept)
    assert (positions >= 10 - 1e-6).all() and (positions <= 300 + 1e-6).all()
    assert (np.diff(positions) <= 0).all()
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 25
    assert all(10 - 1e-3 <= position <= 300 + 1e-3 for _, position in ticks)


def test_ticks() -> None:
    """Ticks are round."""
    assert linear_ticks(0, 20_000) == [0, 5000, 10_000, 15_000, 20_000]
    assert linear_ticks(-0.31, 0.12) == [-0.3, -0.2, -0.1, 0, 0.1]
