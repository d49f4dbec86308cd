"""Hydra's multirun files: `hydra.sweeper.params`, whose values are written as on its command line.

BasicSweeper takes the product of all lists, the last key changing fastest. Optuna's sweeper draws.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from nthrun.legacy.sweeps.base import ARGUMENTS, ForeignSweep, counted, leaves
from nthrun.specs.field import NUMBER_TEXT, shown

CALL = re.compile(r"(\w+)\((.*)\)", re.S)
PAIR = re.compile(r"(\w+)\s*=\s*(.*)", re.S)
PAIRS = {"(": ")", "[": "]", "{": "}"}
MAX_DEPTH = 30
WORDS = {"true": True, "false": False, "null": None}
SAMPLERS = {
    "TPESampler": {"method": "bayes", "sampler": "tpe"},
    "CmaEsSampler": {"method": "bayes", "sampler": "cmaes"},
    "GPSampler": {"method": "bayes", "sampler": "gp"},
    "RandomSampler": {"method": "random"},
    "QMCSampler": {"method": "sobol"},
    "GridSampler": {},
}
"""Class of Optuna -> how settings are found."""
DRAWN = 20
"""Trials of Optuna's sweeper where a file does not say."""
PASSED = {
    "launcher": "a cluster file says where runs go",
    "run": "--save-dir says where records go",
    "sweep": "--save-dir says where records go",
    "job": "a run has an index",
    "job_logging": "a task's log has what it prints",
    "hydra_logging": "a task's log has what it prints",
}
OF_SWEEPER = ("params", "search_space", "sampler", "direction", "n_trials", "_target_")


ORDERS = {
    "range": ("start", "stop", "step"),
    "interval": ("start", "end"),
    "sort": ("reverse",),
    "tag": ("sweep",),
}
"""Function of Hydra's command line -> its named arguments, in the order of those without a name."""


class UnreadableError(ValueError):
    """A value that is written in no way that is known."""


def is_hydra(content: Mapping[str, Any]) -> bool:
    """Whether a file is a configuration of Hydra that sweeps."""
    hydra = content.get("hydra")
    sweeper = hydra.get("sweeper") if isinstance(hydra, dict) else None
    return isinstance(sweeper, dict) and any(
        isinstance(sweeper.get(key), dict) for key in ("params", "search_space")
    )


def read_hydra(content: Mapping[str, Any], program: str = "") -> list[ForeignSweep]:
    """The sweep of a configuration of Hydra.

    Args:
        content: of the file, of which `is_hydra` holds.
        program: the script whose it is; "" if that is not known.
    """
    found = ForeignSweep("Hydra", argument="{name}={value}")
    if program:
        found.command = ["python", program, ARGUMENTS]
    own = {key: value for key, value in content.items() if key not in ("hydra", "defaults")}
    found.constants = leaves({key: v for key, v in own.items() if key != "optimized_metric"})
    if "defaults" in content:
        found.lose("defaults", "groups of configurations are other files; `--cfg job` prints all")
    hydra = content["hydra"]
    for key in hydra:
        if key not in ("sweeper", "mode"):
            found.lose(f"hydra.{key}", PASSED.get(key, "it says how Hydra works"))
    sweeper = hydra["sweeper"]
    params, spaces = (_mapping(found, sweeper, key) for key in ("params", "search_space"))
    for name, value in leaves(params).items():
        _take(found, name, partial(read_value, value))
    for name, space in spaces.items():
        _take(found, name, partial(_of_space, space))
    found.search = _search(found, sweeper, own.get("optimized_metric"))
    if not found.search:  # the last key changes fastest there, the first one here
        found.values = dict(reversed(found.values.items()))
    return [found]


def _mapping(found: ForeignSweep, sweeper: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What a key of the sweeper has; empty, and a line, where that is no mapping."""
    value = sweeper.get(key) or {}
    if isinstance(value, dict):
        return value
    found.lose(f"hydra.sweeper.{key}", f"got {shown(value)}, no mapping")
    return {}


def _take(found: ForeignSweep, name: str, read: Callable[[], Any]) -> None:
    if name.startswith("~"):
        found.lose(name, "it takes a key away: write it into the script's configuration")
        return
    try:
        found.take(name.lstrip("+"), read(), own=name)
    except ValueError as error:
        found.lose(name, str(error))


def _search(found: ForeignSweep, sweeper: Mapping[str, Any], metric: object) -> dict[str, Any]:
    """How settings are found."""
    for key in sweeper:
        if key not in OF_SWEEPER:
            found.lose(f"hydra.sweeper.{key}", "it says how Hydra works")
    draws = any(isinstance(values, dict) for values in found.values.values())
    sampler = sweeper.get("sampler")
    target = str(sampler.get("_target_", "")) if isinstance(sampler, dict) else ""
    is_optuna = "optuna" in str(sweeper.get("_target_", "")).lower() or "n_trials" in sweeper
    if not (draws or is_optuna or target):
        return {}
    kind = target.rpartition(".")[2] or "TPESampler"
    if kind not in SAMPLERS:
        found.told.append(f"hydra.sweeper.sampler: {kind} as sampler tpe: there is none such here")
    search: dict[str, Any] = dict(SAMPLERS.get(kind, SAMPLERS["TPESampler"]))
    if not search:
        return {}
    search["capacity"] = sweeper.get("n_trials", DRAWN)
    if not isinstance(search["capacity"], int):
        found.lose("hydra.sweeper.n_trials", f"got {shown(search['capacity'])}, no integer")
        search["capacity"] = DRAWN
    if isinstance(sampler, dict) and isinstance(sampler.get("seed"), int):
        search["seed"] = sampler["seed"]
    return search | _goal(found, sweeper.get("direction"), metric)


def _goal(found: ForeignSweep, direction: object, metric: object) -> dict[str, Any]:
    """What settings are compared by."""
    if isinstance(direction, list):
        found.lose("hydra.sweeper.direction", "a search goes by one metric")
        direction = None
    if not isinstance(metric, str):
        found.told.append(
            "search.metric: return, as the value that a script returns there has no name"
        )
        metric = "return"
    goal = {"goal": direction} if direction in ("minimize", "maximize") else {}
    return {"metric": metric, **goal}


def _of_space(space: Any) -> Any:
    """What a parameter of a `search_space` takes.

    Raises:
        UnreadableError: it is of no kind that is known.
    """
    if not isinstance(space, dict):
        raise UnreadableError(f"got {shown(space)}, no mapping with a type")
    kind, choices = space.get("type"), space.get("choices")
    if kind == "categorical" and isinstance(choices, list):
        return choices
    ends = [space.get("low"), space.get("high")]
    if kind not in ("float", "int") or not all(isinstance(end, (int, float)) for end in ends):
        raise UnreadableError(f"got {shown(space)}, no float, int or categorical")
    step = [space["step"]] if space.get("step") else []
    if not all(isinstance(width, (int, float)) for width in step):
        raise UnreadableError(f"got step {shown(step[0])}, no number")
    if space.get("log"):
        return {"loguniform": [*ends, *(step or [1] * (kind == "int"))]}
    return {"uniform": [*ends, *step]} if kind == "float" or step else {"int": ends}


def read_value(value: Any) -> Any:
    """What a parameter takes: a list, or a range as an agent spec has it.

    Args:
        value: as `hydra.sweeper.params` has it.

    Raises:
        ValueError: it cannot be read, or be written as either.
    """
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    call = CALL.fullmatch(text)
    if call and len(parts(text)) == 1:
        return _called(call[1], parts(call[2]))
    return [_element(part) for part in parts(text)]


def _called(name: str, arguments: list[str]) -> Any:
    """What a function of Hydra's command line gives."""
    pairs = filter(None, map(PAIR.fullmatch, arguments))
    named = {match[1]: match[2] for match in pairs}
    plain = [part for part in arguments if not PAIR.fullmatch(part)]
    if unknown := named.keys() - {*ORDERS.get(name, ())}:
        raise UnreadableError(f"{name}(…) has no {min(unknown)}= that is known")
    if name == "choice":
        return [_element(part) for part in plain]
    if name == "range":
        return counted(**_numbers(name, plain, named, {"start": 0, "step": 1}))
    if name == "interval":
        numbers = _numbers(name, plain, named)
        return {"uniform": [numbers["low"], numbers["high"]]}
    if name in ("sort", "shuffle"):
        values = read_value(plain[0]) if len(plain) == 1 else [_element(part) for part in plain]
        if not isinstance(values, list):
            raise UnreadableError(f"{name} of a range")
        return values if name == "shuffle" else _sorted(values, named)
    if "sweep" in named:
        plain.append(named["sweep"])
    if name in ("int", "float", "tag") and plain:
        several = name != "tag" and len(plain) > 1
        values = [_element(part) for part in plain] if several else read_value(plain[-1])
        return _cast(name, plain, values)
    raise UnreadableError(f"{name}(…) has no counterpart")


def _cast(name: str, arguments: list[str], values: Any) -> Any:
    """Values as integers or real numbers, or with a tag."""
    if name == "tag":
        if "log" in arguments[:-1] and isinstance(values, dict):
            [(kind, numbers)] = values.items()
            return {"loguniform": [*numbers, *([1] if kind == "int" else [])]}
        return values
    kind = int if name == "int" else float
    if isinstance(values, dict):
        [(was, numbers)] = values.items()
        ends = [_as(kind, number) for number in numbers[:2]]
        if was == "loguniform":
            return {was: [*ends, *([1] if name == "int" else [])]}
        return {"int" if name == "int" else "uniform": ends}
    return [_as(kind, value) for value in values]


def _as(kind: type[int] | type[float], value: Any) -> int | float:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise UnreadableError(f"{kind.__name__}(…) of {shown(value)}") from None


def _sorted(values: list[Any], named: Mapping[str, str]) -> list[Any]:
    try:
        return sorted(values, reverse=_element(named.get("reverse", "false")) is True)
    except TypeError:
        raise UnreadableError(f"sort(…) of {shown(values)}, which have no order") from None


def _numbers(
    name: str,
    plain: list[str],
    named: Mapping[str, str],
    usual: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """The numbers that a range or an interval is given, by the names that `counted` has for them.

    Args:
        name: of the function.
        plain, named: arguments, as they are written.
        usual: numbers that may be absent.
    """
    order = ORDERS[name]
    first = order[1:] if name == "range" and len(plain) == 1 else order
    if len(plain) > len(order):
        raise UnreadableError(f"{name}(…) takes {len(order)} numbers, got {len(plain)}")
    given: dict[str, Any] = dict(usual)
    given |= {key: _element(part) for key, part in zip(first, plain, strict=False)}
    given |= {key: _element(part) for key, part in named.items()}
    for key in order:
        if not isinstance(given.get(key), (int, float)):
            raise UnreadableError(f"{name}(…) has no number as {key}: {shown(given.get(key))}")
    return {new: given[key] for new, key in zip(("low", "high", "step"), order, strict=False)}


def parts(text: str) -> list[str]:
    """What stands between the commas of a text that are in no brackets and no quotes.

    Raises:
        UnreadableError: brackets or quotes do not match, or there are too many.
    """
    found, begin, closing, quote = [], 0, list[str](), ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and text[place - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        elif letter in PAIRS:
            closing.append(PAIRS[letter])
            if len(closing) > MAX_DEPTH:
                raise UnreadableError(f"{shown(text)} is nested too deeply")
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            found.append(text[begin:place].strip())
            begin = place + 1
    if closing or quote:
        raise UnreadableError(f"{shown(text)} has brackets or quotes that do not match")
    return [*found, text[begin:].strip()]


def _element(text: str) -> Any:
    """One value: a number, a word, a text in quotes, a list of them."""
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    if text[:1] == "[" and text[-1:] == "]":
        return [_element(part) for part in parts(text[1:-1])] if text[1:-1].strip() else []
    if text[:1] == "{" or CALL.fullmatch(text):
        raise UnreadableError(f"{shown(text)} within a list of values")
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    return _number(text) if NUMBER_TEXT.fullmatch(text) else text


def _number(text: str) -> int | float:
    if not any(letter in text.lower() for letter in ".e"):
        return _as(int, text)
    if math.isinf(number := float(text)):
        raise UnreadableError(f"{shown(text)} is too large for a number")
    return number
