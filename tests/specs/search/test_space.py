"""Laws of ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from nthrun.specs.field import Field, RejectedError
from nthrun.specs.search.space import Range, is_drawn, read_range

RATE = Field("rate", "float", 0.1, "", minimum=0)
COUNT = Field("count", "int", 1, "", minimum=1, maximum=1000)
WORD = Field("word", "str", "a", "", choices=("a", "b"))
SHARES = st.floats(0, 1, exclude_max=True)
ENDS = st.floats(-1e6, 1e6)


@given(ENDS, ENDS, SHARES, SHARES)
def test_uniform(low: float, high: float, share: float, other: float) -> None:
    """Values are floats within the ends, in the order of their shares; share 0 is the low end."""
    assume(low < high)
    span = Range("uniform", low, high)
    found, second = span.at(min(share, other)), span.at(max(share, other))
    assert isinstance(found, float)
    assert low <= found <= second <= high
    assert found == pytest.approx(low + min(share, other) * (high - low), rel=1e-8, abs=1e-2)


@given(st.floats(1e-30, 1e30), st.floats(1.001, 1e12), SHARES)
def test_loguniform(low: float, factor: float, share: float) -> None:
    """Values are within the ends, and their logarithm is what is uniform."""
    span = Range("loguniform", low, low * factor)
    found = span.at(share)
    assert span.low <= found <= span.high
    assert math.log(found) == pytest.approx(math.log(low) + share * math.log(factor), abs=1e-6)


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**40), SHARES)
def test_int(low: int, width: int, share: float) -> None:
    """Values are integers within both ends."""
    found = Range("int", low, low + width).at(share)
    assert type(found) is int
    assert low <= found <= low + width


def test_integers_are_as_likely() -> None:
    """Both ends and all between are drawn as often (chi-square test of 20,000 draws)."""
    span = Range("int", 3, 9)
    drawn = [span.at(share) for share in np.random.default_rng(0).random(20_000)]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert chisquare(counts).pvalue > 0.001


def test_logarithms_are_uniform() -> None:
    """As many draws fall into each decade (Kolmogorov-Smirnov test of 20,000 draws)."""
    span = Range("loguniform", 1e-5, 1e-1)
    drawn = [span.at(share) for share in np.random.default_rng(0).random(20_000)]
    assert kstest((np.log10(drawn) + 5) / 4, "uniform").pvalue > 0.001


def test_values_have_nine_digits() -> None:
    """Real numbers are rounded, so that a value does not depend on a last bit; ends are not."""
    assert Range("uniform", 0.0, 1.0).at(1 / 3) == 0.333333333
    assert Range("loguniform", 1e-4, 1e-2).at(1 / 3) == 0.000464158883
    assert Range("uniform", 0.12345678912345, 1.0).at(0.0) == 0.12345678912345


@given(st.sampled_from([Range("int", 1, 1000), Range("uniform", 0.0, 1e-3)]))
def test_a_document_is_the_range(span: Range) -> None:
    """What a range writes is read as the same range."""
    field = COUNT if span.kind == "int" else RATE
    assert read_range(span.as_document(), field, yaml_text=False) == span


def test_numbers_as_yaml_reads_them() -> None:
    """`1e-3` of a YAML file is a string and a number all the same."""
    raw = {"loguniform": ["1e-3", "1e-1"]}
    assert read_range(raw, RATE, yaml_text=True) == Range("loguniform", 0.001, 0.1)
    with pytest.raises(RejectedError):
        read_range(raw, RATE, yaml_text=False)


REFUSED: dict[str, tuple[Field, dict[str, Any], str]] = {
    "two kinds": (RATE, {"uniform": [0, 1], "loguniform": [1, 2]}, "one of uniform, loguniform"),
    "unknown kind": (
        RATE,
        {"cauchy": [0, 1]},
        "one of uniform, loguniform, int, normal, lognormal, beta_distribution, choice",
    ),
    "empty": (RATE, {}, "one of uniform"),
    "one end": (RATE, {"uniform": [0]}, r"allowed: uniform \[low, high\]"),
    "a scalar": (RATE, {"uniform": 1}, r"allowed: uniform \[low, high\]"),
    "equal ends": (RATE, {"uniform": [1, 1]}, "a low end below the high one"),
    "backwards": (RATE, {"uniform": [2, 1]}, "a low end below the high one"),
    "loguniform from 0": (RATE, {"loguniform": [0, 1]}, "loguniform from a number above 0"),
    "fractions": (COUNT, {"int": [1.5, 3]}, "an integer from 1 to 1000"),
    "beyond the field": (COUNT, {"int": [0, 3]}, "got 0, allowed: an integer from 1 to 1000"),
    "int of a number": (RATE, {"int": [1, 3]}, "allowed: a number >= 0"),
    "uniform of an integer": (COUNT, {"uniform": [1, 3]}, "allowed: an integer"),
    "of a word": (WORD, {"uniform": [1, 3]}, "allowed: one of a, b"),
    "not finite": (RATE, {"uniform": [0, float("inf")]}, "allowed: a number"),
    "a word": (RATE, {"uniform": ["a", 1]}, 'got "a", allowed: a number'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What is no range of the field is refused in words that say what is allowed."""
    field, raw, said = REFUSED[case]
    with pytest.raises(RejectedError, match=said):
        read_range(raw, field, yaml_text=False)


def test_what_is_drawn() -> None:
    """A mapping of kinds alone says how values are drawn; any other nests hyperparameters."""
    assert is_drawn({"uniform": [0, 1]})
    assert is_drawn({"choice": [0, 1]})
    assert not is_drawn({})
    assert not is_drawn([0, 1])
    assert not is_drawn({"rate": {"uniform": [0, 1]}})
