"""Laws of expressions."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nthrun.specs.field import RejectedError
from nthrun.specs.search.expression import (
    MAX_CHARACTERS,
    parse_expression,
    require_alike,
)

SETTING: dict[str, Any] = {
    "rate": 0.001,
    "batch": 32,
    "memory": 100,
    "kind": "relu",
    "on": True,
    "off": False,
    "layers": (64, 64),
    "training.rate": 0.5,
}
TRUE = (
    "rate = 0.001",
    "rate=.001",
    "rate == 1e-3",
    "batch <= memory",
    "1 < batch < memory < 101",
    "not (1 < batch < 3 < memory)",
    "batch + 2 * 3 = 38",
    "(batch + 2) * 3 = 102",
    "memory / batch = 3.125 and memory // batch = 3 and memory % batch = 4",
    "-batch < 0 < +batch",
    "memory - batch - 8 = 60",
    "off or on and on",
    "on or off and off",
    "not off and on",
    "not on = false",
    "kind = 'relu'",
    'kind = "relu" and kind != "tanh"',
    "kind in ['relu', 'tanh'] and kind not in ('tanh',)",
    "'a=b' != 'a==b'",
    '"it\'s=1" != kind',
    "layers = [64, 64]",
    "64 in layers",
    "training.rate > rate",
    "on == true and off == False and on = True",
    "on",
    "rate != 0 and memory / rate > 0",
    "  batch = 32  ",
)
REFUSED = (
    "kind.upper() = 'RELU'",
    "'relu'.upper",
    "kind.upper",
    "rate.real = 0",
    "on.__class__",
    "abs(batch) = 1",
    "__import__('os')",
    "lambda: 1",
    "[x for x in layers]",
    "{1: 2}",
    "{1, 2}",
    "f'{batch}'",
    "layers[0] = 64",
    "batch ** 2 = 4",
    "9**9**9**9 > 1",
    "batch if on else off",
    "(batch := 3)",
    "batch is on",
    "batch & 1 = 0",
    "batch << 9 = 0",
    "~batch = 0",
    "*layers",
    "1j = 1",
    "b'a' = 1",
    "... = 1",
    "None = 1",
    "await batch",
    "yield",
    "import os",
    "batch = 1; on",
    "batch = ",
    "batch = = 1",
    "batch => 1",
    "batch === 1",
    "(batch",
    "batch 1",
    "'relu",
    "",
    "   ",
    "nothing = 1",
    "kind = relu",
    "a\0b",
    "-" * 999 + "1",
    "(" * 400 + "1" + ")" * 400,
    "not " * 249 + "on.x",
    "1" * 5000,
    "'" + "a" * MAX_CHARACTERS + "' = kind",
)


@pytest.mark.parametrize("text", TRUE)
def test_true(text: str) -> None:
    """Operators bind as in arithmetic and logic, comparisons chain, and one `=` compares."""
    expression = parse_expression(text, SETTING)
    assert expression.holds(SETTING) is True
    assert parse_expression(f"not ({text})", SETTING).holds(SETTING) is False
    assert expression.text == text.strip()
    assert pickle.loads(pickle.dumps(expression)).holds(SETTING) is True
    assert parse_expression(expression.text, SETTING).holds(SETTING) is True


@pytest.mark.parametrize("text", TRUE)
def test_like_is_compared_with_like(text: str) -> None:
    """What compares values of one kind passes the check of it."""
    require_alike(parse_expression(text, SETTING), SETTING)


@pytest.mark.parametrize(
    "text",
    [
        *("batch = true", "true = batch", "batch != false", "on = 1", "off = 0.0", "on > 0"),
        *(
            "on in [0, 1]",
            "batch in [1, true]",
            "true in layers",
            "not (on = 1)",
            "layers = [true]",
        ),
        *("batch > 1 and on = 1", "0 < batch = true", "(batch > 1) = 1", "(on = true) = 1"),
    ],
)
def test_true_and_false_are_no_numbers(text: str) -> None:
    """What compares true or false with a number, wherever, does not pass it."""
    with pytest.raises(RejectedError) as refused:
        require_alike(parse_expression(text, SETTING), SETTING)
    assert refused.value.problem == f"{text!r}: compares a number with true or false"


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    """Nothing else is readable, and the refusal is one short line."""
    with pytest.raises(RejectedError) as refused:
        parse_expression(text, SETTING)
    assert "\n" not in refused.value.problem
    assert len(refused.value.problem) < MAX_CHARACTERS + 500


@pytest.mark.parametrize("value", [None, 3, True, ["on"], {"on": 1}])
def test_only_text(value: object) -> None:
    """An expression is a text."""
    with pytest.raises(RejectedError, match="an expression of hyperparameters"):
        parse_expression(value, SETTING)


@pytest.mark.parametrize(
    "text",
    [
        "kind < 1",
        "kind + 1 = 2",
        "on + 1 = 2",
        "batch % 0 = 1",
        "batch / (memory - 100) = 1",
        "batch in 3",
        "-kind = 1",
        "layers < 3",
        "1e308 * 10 // 1 = 0 % 0",
        "batch",
        "kind",
        "batch + 1",
        "+".join(["batch"] * 160),
    ],
)
def test_no_sense(text: str) -> None:
    """What values cannot answer is refused, with the values; so is what is neither true nor
    false."""
    with pytest.raises(RejectedError, match="makes no sense with") as refused:
        parse_expression(text, SETTING).holds(SETTING)
    assert "\n" not in refused.value.problem


def test_names_in_order() -> None:
    """An expression tells its hyperparameters, each once, in order of appearance."""
    expression = parse_expression("training.rate < rate and on or rate > batch", SETTING)
    assert expression.names == ("training.rate", "rate", "on", "batch")


def test_hints() -> None:
    """A misspelt hyperparameter is suggested, and a bare word is told to be quoted."""
    with pytest.raises(RejectedError, match="no hyperparameter 'memry'") as refused:
        parse_expression("memry > 1", SETTING)
    assert refused.value.hint == "did you mean memory?"
    with pytest.raises(RejectedError, match="no hyperparameter 'zzzzzz'") as refused:
        parse_expression("kind = zzzzzz", SETTING)
    assert refused.value.hint == "write a word that is a value in quotes: 'zzzzzz'"


PARTS = st.sampled_from(
    [*SETTING, *"()[]{}<>=!+-*/%.,:'\"\\ \n#~^&|@0123", "and ", "or ", "not ", "in ", "is ", "if ",
     "else ", "lambda ", "1e9", "'a'", "==", "<=", "__class__", "\0", "ü", "await ", "f'"]
)  # fmt: skip


@given(st.one_of(st.lists(PARTS, max_size=12).map("".join), st.text(max_size=30)))
@settings(max_examples=600)
def test_any_text(text: str) -> None:
    """Whatever is written is an expression that is true or false, or refused in one line."""
    try:
        assert parse_expression(text, SETTING).holds(SETTING) in (True, False)
    except RejectedError as refused:
        assert "\n" not in refused.problem


@pytest.mark.parametrize(
    "text", ["lr = 0.1 or 0.2", "not 0.2", "lr and true", "'x' in 'xyz'", "lr in 'xyz'"]
)
def test_what_is_neither_true_nor_false_joins_nothing(text: str) -> None:
    """`or`, `and` and `not` take what is true or false alone, and `in` a list, so that a slip does
    not hold of everything."""
    with pytest.raises(RejectedError, match="makes no sense"):
        parse_expression(text, {"lr": 0.1}).holds({"lr": 0.3})
