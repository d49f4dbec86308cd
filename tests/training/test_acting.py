"""Pictures of what is played."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.errors import NthrunError
from nthrun.training.acting import PIXELS, as_picture

CORNER = np.zeros((10, 10))
CORNER[0, 0] = 1.0


@pytest.mark.parametrize(
    "drawn",
    [
        CORNER,
        CORNER.astype(bool),
        CORNER.astype(np.float32)[:, :, None],
        (255 * CORNER).astype(np.int64),
        np.dstack([CORNER] * 3),
        np.dstack([255 * CORNER] * 3 + [np.full((10, 10), 7)]).astype(np.uint8),
    ],
    ids=lambda drawn: f"{drawn.dtype} {drawn.shape}",
)
def test_whatever_is_drawn_is_shown_alike(drawn: np.ndarray) -> None:
    """Shades of grey and colours, from 0 to 1 or to 255, become one picture that is large enough to
    be seen, without anything blurred."""
    picture = as_picture(drawn, "Grid")
    assert (picture.shape, picture.dtype) == ((PIXELS, PIXELS, 3), np.uint8)
    lit = np.zeros((PIXELS, PIXELS, 3), bool)
    lit[: PIXELS // 10, : PIXELS // 10] = True
    assert np.array_equal(picture, np.where(lit, 255, 0))


def test_a_large_picture_is_shown_as_it_is() -> None:
    """Pixel by pixel."""
    drawn = np.random.default_rng(0).integers(0, 256, (300, 201, 3), np.uint8)
    assert np.array_equal(as_picture(drawn, "Grid"), drawn)


@pytest.mark.parametrize(
    "drawn",
    ["a picture", np.zeros(4), np.zeros((0, 4)), np.zeros((4, 4, 2)), 2 * CORNER, CORNER * np.nan],
    ids=str,
)
def test_what_is_no_picture_is_refused(drawn: object) -> None:
    """In words, with what was got."""
    with pytest.raises(NthrunError, match=r"Grid draws what is no picture: got .+ of shape \("):
        as_picture(drawn, "Grid")
