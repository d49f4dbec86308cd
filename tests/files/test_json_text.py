"""Laws of JSON as it is read: what has one meaning, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.files.json_text import JsonError, parse_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_round_trip(value: Any) -> None:
    """Whatever JSON can hold is read back as it was written."""
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": 1, "b": 2, "a": 1}', 'the key "a" is written more than once'),
        (b"[NaN]", "NaN is no number"),
        (b"-Infinity", "-Infinity is no number"),
        (b"9" * 5000, "too many digits"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'{"a": ', "not valid JSON at line 1, column 7"),
        (b"", "not valid JSON"),
        (b"\0\0\0", "not valid JSON"),
        (b"[" + b"{}," * 2_000_000 + b"0]", "more than 2,000,000 mappings, lists or texts"),
        (b"[" + b"[]," * 2_000_000 + b"0]", "more than 2,000,000 mappings, lists or texts"),
        (b"[" + b"0," * 20_000_001 + b"0]", "more than 20,000,000 numbers"),
        (b"[" + b'"",' * 2_000_001 + b"0]", "more than 2,000,000 mappings, lists or texts"),
    ],
)
def test_refused(content: bytes, problem: str) -> None:
    """What is no JSON, or has two meanings, is refused with the reason and the place."""
    with pytest.raises(JsonError, match=problem):
        parse_json(content)


def test_pairs_and_bytes_of_paths() -> None:
    """A whole surrogate pair is one letter, and a half that stands for a byte of a path stays."""
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert parse_json(json.dumps("caf\udce9")) == "caf\udce9"


def test_byte_order_mark() -> None:
    """A mark in front, as some editors put it there, is passed over."""
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]
