"""Laws of forms: the first thing that does not fit is found and named by its key."""

from __future__ import annotations

from typing import Any

import pytest

from nthrun.files.forms import (
    Either,
    Fields,
    Flag,
    Form,
    Items,
    Maybe,
    Number,
    Plain,
    Row,
    Table,
    Text,
    Whole,
)

DOCUMENT = Fields(
    {"name": Text(pattern="[a-z]+", words="a word"), "rows": Items(Row((Whole(1, 9), Number(0))))},
    {"on": Flag(), "until": Maybe(Number()), "of": Table(Either(Whole(), Text(("x",))))},
)


@pytest.mark.parametrize(
    ("changes", "key", "problem"),
    [
        ({"name": 5}, "name", "got 5, allowed: a text"),
        ({"name": "A"}, "name", 'got "A", allowed: a word'),
        ({"rows": {}}, "rows", "got a mapping, allowed: a list"),
        ({"rows": [[1, 2], [1]]}, "rows[1]", "got a list of 1, allowed: a list of 2"),
        ({"rows": [[True, 2]]}, "rows[0][0]", "got true, allowed: an integer from 1 to 9"),
        ({"rows": [[1.0, 2]]}, "rows[0][0]", "got 1.0, allowed: an integer from 1 to 9"),
        ({"rows": [[10, 2]]}, "rows[0][0]", "got 10, allowed"),
        ({"rows": [[1, -1]]}, "rows[0][1]", "got -1, allowed: a finite number from 0"),
        ({"rows": [[1, float("inf")]]}, "rows[0][1]", "got Infinity, allowed: a finite number"),
        ({"rows": [[1, 10**400]]}, "rows[0][1]", "got a number too large"),
        ({"on": 1}, "on", "got 1, allowed: true or false"),
        ({"until": "x"}, "until", 'got "x", allowed: a finite number'),
        ({"of": {"a": 1, "b": "y"}}, "of.b", 'got "y", allowed: an integer'),
        ({"other": 1}, "other", "unknown key"),
    ],
)
def test_misfits(changes: dict[str, Any], key: str, problem: str) -> None:
    """A value of another type, out of bounds or under an unknown key is named with its place."""
    document = {"name": "a", "rows": [[1, 0.5]], "on": True, "until": None, "of": {"a": "x"}}
    assert DOCUMENT.misfit(document, "") is None
    found = DOCUMENT.misfit(document | changes, "")
    assert found is not None
    assert found[0] == key
    assert found[1].startswith(problem)


def test_deep_places() -> None:
    """What misfits deep within mappings is named by all keys on the way to it, and what looks like
    the whole document is named alike under a key that is given."""
    nested = Fields({}, {"all": Table(Fields({"each": Table(DOCUMENT)}))}, others=Table(Whole()))
    document = {"name": "a", "rows": [[1, 0.5], [0, 1]]}
    inner = {"first": {"each": {}}, "a.b": {"each": {"x": document}}}
    found = nested.misfit({"all": inner}, "")
    assert found == ("all.a.b.each.x.rows[1][0]", "got 0, allowed: an integer from 1 to 9")
    assert nested.misfit({"all": inner}, "top") == (f"top.{found[0]}", found[1])
    assert nested.misfit({"more": {"a": 1, "b": -1}}, "top") is not None
    assert Table(Whole(), Text(pattern="[0-9]+", words="a number")).misfit({"x": 1}, "of") == (
        "of.x",
        'got "x", allowed: a number',
    )


def test_missing() -> None:
    """A key that has to be there is named where it is not; one that need not be is not."""
    assert DOCUMENT.misfit({"name": "a"}, "manifest") == ("manifest.rows", "missing")


@pytest.mark.parametrize("value", [[[[[]]]], {"a": {"b": [1, 2.5, "x", None, True]}}, 5, "x"])
def test_plain(value: Any) -> None:
    """Any value of JSON is plain."""
    assert Plain().misfit(value, "") is None


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": [10**400]}])
def test_not_plain(value: Any) -> None:
    """A number that is not finite is not, wherever it stands; neither is endless nesting."""
    form: Form = Plain()
    assert form.misfit(value, "at") is not None
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert form.misfit(deep, "at") == ("at", "nested deeper than 40 levels")
