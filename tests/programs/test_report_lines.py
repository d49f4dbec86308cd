"""Report lines: whatever a program writes, a line is taken in as it is, or refused in a line."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.programs.program_record import learned_arrays
from nthrun.programs.report_lines import KEYS, ReportError, Reports, parse_line

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=3,
)
LINES = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), VALUES, max_size=4)


@given(st.lists(LINES, max_size=3))
@settings(max_examples=50)
def test_any_json_is_taken_in_or_refused(lines: list[dict[str, Any]]) -> None:
    """A line that is JSON changes the reports or raises one error of one printable line."""
    reports = Reports()
    for line in lines:
        try:
            reports.add(parse_line(json.dumps(line)))
        except ReportError as error:
            assert "\n" not in str(error)
    numbers = [*reports.returns, *(value for each in reports.metrics.values() for value in each)]
    numbers += [value for each in reports.evaluations for value in each.returns]
    assert all(map(math.isfinite, numbers))
    steps = [each.step for each in reports.evaluations]
    assert steps == sorted(set(steps))
    assert len(reports.returns) == len(reports.lengths)


@given(st.binary(max_size=50))
def test_any_bytes_are_taken_in_or_refused(content: bytes) -> None:
    """Bytes that are no line of JSON raise the error of a line, and no other."""
    try:
        line = parse_line(content)
    except ReportError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(line, dict)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['{"step": 5}', '{"step": 4}'], "step 4 comes after step 5"),
        (['{"episode_return": 1}'], "needs step or episode_steps"),
        (['{"step": 1, "episode_return": NaN}'], "got nan, allowed: finite numbers"),
        (['{"step": 1.5}'], "allowed: a whole number from 0"),
        (['{"episod_return": 1}'], "unknown key episod_return, allowed: step"),
        (['{"step": 1, "evaluation": [1, 2]}', '{"step": 2, "evaluation": 1}'], "got 1 returns"),
        (['{"step": 1, "evaluation": 1}', '{"step": 1, "evaluation": 1}'], "a second one at step"),
        (['{"step": 1, "metrics": {"a/../b": 1}}'], "allowed: a short text"),
        (['{"step": 1, "metrics": {"a\\ud800": 1}}'], r"got the name 'a\\ud800', allowed: a short"),
        (['{"step": 1, "metrics": {"a/<f8": 1}}'], "allowed: a short text"),
        (['{"step": true}'], "allowed: a number"),
        (["[" * 100_000], "no JSON"),
    ],
)
def test_what_cannot_be_is_refused(lines: list[str], told: str) -> None:
    """Each mistake has words of its own."""
    reports = Reports()
    with pytest.raises(ReportError, match=told.replace("[", r"\[")):
        for line in lines:
            reports.add(parse_line(line))


def test_steps_of_episodes_follow_from_either_count() -> None:
    """An episode has the steps that it says, or those since the last one's end."""
    reports = Reports()
    for line in (
        {"step": 30, "episode_return": 1},
        {"episode_return": 2, "episode_steps": 12},
        {"step": 50, "episode_return": 3},
        {"step": 50, "episode_return": 4, "episode_steps": 9},
    ):
        reports.add(parse_line(json.dumps(line)))
    assert reports.lengths == [30, 12, 8, 9]
    assert reports.last_step == 50


@pytest.mark.parametrize("name", ["", "a//b", "a\0", "\ud800", "..", "a/<f8", 5 * "abcde/" * 9])
def test_names_that_a_record_cannot_have_are_refused(name: str) -> None:
    """A learned parameter has a name that can be written, or there is one error of a line."""
    with pytest.raises(ReportError, match="learned_params: got the name") as raised:
        learned_arrays({name: np.zeros(1)})
    assert str(raised.value).isprintable()


def test_two_arrays_of_one_name_are_refused() -> None:
    """Nested names and names with slashes are the same, and so are 1 and "1"."""
    for params in ({"a": {"b": 1}, "a/b": 2}, {1: 1, "1": 2}):
        with pytest.raises(ReportError, match="two arrays are named"):
            learned_arrays(params)
