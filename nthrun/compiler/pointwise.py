"""Elementwise operations: torch's names, and each as a C++ expression.

`{0}`, `{1}`, ... are the arguments, converted to the operation's compute type; functions are of
`native/elements.hpp`, which gives them torch's treatment of NaN.
"""

from __future__ import annotations

from string import Formatter

EXPRESSIONS = {
    "same": "{0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "fma": "{0} + {1} * {2}",
    "neg": "-{0}",
    "where": "{0} ? {1} : {2}",
    "abs": "absolute({0})",
    "sign": "sign_of({0})",
    "reciprocal": "1 / {0}",
    "square": "{0} * {0}",
    "sqrt": "std::sqrt({0})",
    "rsqrt": "1 / std::sqrt({0})",
    "exp": "exponential({0})",
    "expm1": "std::expm1({0})",
    "log": "logarithm({0})",
    "log1p": "logarithm_of_one_plus({0})",
    "log2": "std::log2({0})",
    "sin": "std::sin({0})",
    "cos": "std::cos({0})",
    "tan": "std::tan({0})",
    "asin": "std::asin({0})",
    "acos": "std::acos({0})",
    "atan": "std::atan({0})",
    "atan2": "std::atan2({0}, {1})",
    "sinh": "std::sinh({0})",
    "cosh": "std::cosh({0})",
    "tanh": "hyperbolic_tangent({0})",
    "sigmoid": "1 / (1 + exponential(-{0}))",
    "erf": "std::erf({0})",
    "lgamma": "std::lgamma({0})",
    "pow": "power({0}, {1})",
    "fmod": "rest_of({0}, {1})",
    "remainder": "remainder_of({0}, {1})",
    "div_floor": "floor_quotient({0}, {1})",
    "div_trunc": "whole_quotient({0}, {1})",
    "floor": "std::floor({0})",
    "ceil": "std::ceil({0})",
    "trunc": "std::trunc({0})",
    "round": "std::nearbyint({0})",
    "relu": "{0} < 0 ? 0 : {0}",
    "at_least": "{0} < {1} ? {1} : {0}",
    "at_most": "{0} > {1} ? {1} : {0}",
    "maximum": "larger({0}, {1})",
    "minimum": "smaller({0}, {1})",
    "isnan": "{0} != {0}",
    "isinf": "std::isinf({0})",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "bitwise_not": "~{0}",
    "logical_and": "({0} != 0) & ({1} != 0)",
    "logical_or": "({0} != 0) | ({1} != 0)",
    "logical_not": "{0} == 0",
}

COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf")) | frozenset(
    name for name in EXPRESSIONS if name.startswith("logical_")
)
"""Operations whose arguments keep their own type, and whose result is a bool."""

NUM_ARGUMENTS = {
    name: len({number for _, number, _, _ in Formatter().parse(text) if number})
    for name, text in EXPRESSIONS.items()
}

NAMES = {"sgn": "sign"}
"""torch's name -> ours, where they differ."""
