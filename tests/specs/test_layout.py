"""What a layout says of a state that is not as declared."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.specs.layout import Layout

LAYOUT = Layout(state={"weights": (2, 3), "tiles": (1, 4)}, learned={}, dtypes={"tiles": "int64"})
WEIGHTS, TILES = np.zeros((2, 3), np.float32), np.zeros((1, 4), np.int64)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"weights": WEIGHTS, "tiles": TILES}, ""),
        ({"weights": WEIGHTS, "tiles": TILES, "replay": np.zeros((9, 9))}, ""),
        ({"tiles": TILES}, "weights is missing"),
        ({"weights": WEIGHTS, "tiles": TILES, "more": WEIGHTS}, "more is unknown"),
        (
            {"weights": WEIGHTS.T, "tiles": TILES},
            "weights is float32 (3, 2), expected float32 (2, 3)",
        ),
        (
            {"weights": WEIGHTS, "tiles": TILES[:, :1] * 1.0},
            "tiles is float64 (1, 1), expected int64 (1, 4)",
        ),
    ],
)
def test_what_is_not_as_declared_is_named(state: dict[str, np.ndarray], problem: str) -> None:
    """The first tensor that is missing, unknown, or of another shape or type is named; the replay,
    which fills, is not looked at."""
    assert LAYOUT.mismatch(state) == problem


def test_a_state_has_its_own_layout() -> None:
    """A layout made of a state behind a lane axis accepts each of its lanes, and no other."""
    layout = Layout.of({"weights": WEIGHTS[None], "tiles": TILES[None]})
    assert layout.mismatch({"weights": WEIGHTS, "tiles": TILES}) == ""
    assert layout.mismatch({"weights": WEIGHTS[None], "tiles": TILES}) != ""
