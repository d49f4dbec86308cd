"""Expressions over hyperparameters: `"batch_size <= replay_capacity"`, as specs write them.

Comparisons, `and`, `or`, `not`, `in`, arithmetic but powers, numbers, strings, `true`, `false`,
lists and the names of hyperparameters. Nothing else is evaluated, so that a spec cannot run code.
"""

from __future__ import annotations

import ast
import contextlib
import io
import operator
import tokenize
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nthrun.specs.field import NUMBER_TEXT, RejectedError, did_you_mean, shown

MAX_CHARACTERS = 1000
ALLOWED = "comparisons, and, or, not, in, + - * / // %, numbers, strings, lists, hyperparameters"
_WORDS = {"true": True, "false": False, "True": True, "False": False}
_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, many: one in _listed(many),
    ast.NotIn: lambda one, many: one not in _listed(many),
}
_SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: lambda one: not _truth(one),
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition on a setting.

    Attributes:
        text: as it was written.
        names: the hyperparameters it looks at, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    def holds(self, setting: Mapping[str, Any]) -> bool:
        """Whether it is true of a setting.

        Args:
            setting: a value for each of `names`, at least.

        Raises:
            RejectedError: its values cannot be compared or reckoned with.
        """
        try:
            value = _value(self._tree, setting)
            if not isinstance(value, bool):
                raise TypeError(f"it is {shown(value)}, allowed: true or false")
            return value
        except (TypeError, ArithmeticError, RecursionError) as error:
            known = ", ".join(f"{name} {shown(setting[name])}" for name in self.names)
            raise RejectedError(f"{self.text!r} makes no sense with {known}: {error}") from None


def parse_expression(text: object, names: Mapping[str, Any]) -> Expression:
    """An expression over hyperparameters.

    Args:
        text: of it; one `=` stands for `==`.
        names: the hyperparameters there are.

    Raises:
        RejectedError: it is not readable, or names something else.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_CHARACTERS:
        raise RejectedError(f"got {shown(text)}, allowed: an expression of hyperparameters")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(_doubled_equals(text.strip()), mode="eval").body
        named = tuple(dict.fromkeys(_names(tree, text)))
    except RejectedError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RejectedError(f"got {shown(text)}: not readable, allowed: {ALLOWED}") from None
    for name in named:
        if name not in names:
            hint = did_you_mean(name, names) or f"write a word that is a value in quotes: '{name}'"
            raise RejectedError(f"{text!r}: no hyperparameter {name!r}", hint)
    return Expression(text.strip(), named, tree)


def require_decimal(text: str) -> None:
    """Check that the numbers of an expression are written as `--set` and JSON take them.

    Args:
        text: of an expression that was parsed.

    Raises:
        RejectedError: one is in another notation of Python, such as `0x10` or `1_000`.
    """
    for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline):
        if token.type == tokenize.NUMBER and not NUMBER_TEXT.fullmatch(token.string):
            hint = f"write {ast.literal_eval(token.string)}"
            raise RejectedError(f"{text!r}: got {token.string}, allowed: decimal numbers", hint)


def require_alike(expression: Expression, setting: Mapping[str, Any]) -> None:
    """Check that an expression compares no number with true or false, which Python takes for 1 and
    0 there.

    Args:
        expression: that was parsed.
        setting: any of those it is to look at; their values are of the same kinds.

    Raises:
        RejectedError: it does.
    """
    for node in ast.walk(expression._tree):
        if not isinstance(node, ast.Compare):
            continue
        with contextlib.suppress(
            TypeError, ArithmeticError, RecursionError
        ):  # told where it is met
            compared = [_value(part, setting) for part in (node.left, *node.comparators)]
            kinds = {
                isinstance(one, bool) for one in _leaves(compared) if isinstance(one, float | int)
            }
            if len(kinds) > 1:
                problem = f"{expression.text!r}: compares a number with true or false"
                raise RejectedError(problem, "neither is a number; --describe shows the values")


def _leaves(value: object) -> Iterator[object]:
    """What a value of lists within lists holds that is no list."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _doubled_equals(text: str) -> str:
    """`a=1` as `a==1`, outside quotes."""
    doubled, quote = "", ""
    for position, character in enumerate(text):
        if character in "'\"":
            quote = "" if quote == character else quote or character
        alone = (
            text[position - 1 : position] not in tuple("=<>!")
            and text[position + 1 : position + 2] != "="
        )
        doubled += "==" if character == "=" and alone and not quote else character
    return doubled


def _names(node: ast.expr, text: str) -> Iterator[str]:
    """Every hyperparameter in a tree.

    Raises:
        RejectedError: there is something in it that is not allowed.
    """
    if (name := _name(node)) is not None:
        if name not in _WORDS:
            yield name
        return
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            pass
        case ast.UnaryOp(op=op) if type(op) in _SIGNS:
            pass
        case ast.Compare(ops=ops) if all(type(op) in _COMPARISONS for op in ops):
            pass
        case ast.BoolOp() | ast.Tuple() | ast.List():
            pass
        case _:
            raise RejectedError(f"{text!r}: got {ast.unparse(node)!r}, allowed: {ALLOWED}")
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _names(child, text)


def _name(node: ast.expr) -> str | None:
    """The dotted name that a node is; None if it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _name(node.value)) is not None:
        return f"{left}.{node.attr}"
    return None


def _value(node: ast.expr, setting: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one a kind
    if (name := _name(node)) is not None:
        return _WORDS[name] if name in _WORDS else setting[name]
    match node:
        case ast.Constant(value=value):
            return value
        case ast.BoolOp(op=op, values=parts):
            every = all if isinstance(op, ast.And) else any
            return every(_truth(_value(part, setting)) for part in parts)
        case ast.UnaryOp(op=op, operand=operand):
            return _SIGNS[type(op)](_value(operand, setting))
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](*(_number(_value(s, setting)) for s in (left, right)))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_value(part, setting) for part in (left, *others)]
            pairs = zip(values, ops, values[1:], strict=False)
            return all(_COMPARISONS[type(op)](one, other) for one, op, other in pairs)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_value(item, setting) for item in items)
    raise AssertionError(ast.dump(node))  # parse_expression lets nothing else in


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{shown(value)} is neither true nor false; write `x in [1, 2]` for `or`")
    return value


def _listed(value: object) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise TypeError(f"{shown(value)} is no list")
    return value


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{shown(value)} is no number")
    return value
