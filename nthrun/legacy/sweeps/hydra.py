"""Hydra's multirun files: `hydra.sweeper.params`, whose values are written as on its command line.

BasicSweeper takes the product of all lists, the last key changing fastest. Optuna's sweeper draws.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
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
    params, spaces = sweeper.get("params") or {}, sweeper.get("search_space") or {}
    for name, value in leaves(params).items():
        _take(found, name, partial(read_value, value))
    for name, space in spaces.items():
        _take(found, name, partial(_of_space, space))
    found.search = _search(found, sweeper, own.get("optimized_metric"))
    if not found.search:  # the last key changes fastest there, the first one here
        found.values = dict(reversed(found.values.items()))
    return [found]


def _take(found: ForeignSweep, name: str, read: Callable[[], Any]) -> None:
    try:
        found.values[name.lstrip("+~")] = read()
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
    if name == "choice":
        return [_element(part) for part in plain]
    if name == "range":
        return _range([_element(p) for p in plain], {k: _element(v) for k, v in named.items()})
    if name == "interval":
        numbers = [_element(part) for part in (*plain, *named.values())]
        if len(numbers) != 2 or not all(isinstance(number, (int, float)) for number in numbers):
            raise UnreadableError(f"interval({', '.join(arguments)}) has no two numbers")
        return {"uniform": numbers}
    if name in ("sort", "shuffle"):
        values = read_value(plain[0]) if len(plain) == 1 else [_element(part) for part in plain]
        if not isinstance(values, list):
            raise UnreadableError(f"{name} of a range")
        if name == "shuffle":
            return values
        return sorted(values, reverse=_element(named.get("reverse", "false")) is True)
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
        [numbers] = values.values()
        return {"int" if name == "int" else "uniform": [kind(number) for number in numbers]}
    return [kind(value) for value in values]


def _range(plain: list[Any], named: Mapping[str, Any]) -> list[Any]:
    order = ("start", "stop", "step")
    given: dict[str, Any] = {"start": 0, "stop": None, "step": 1}
    given |= dict(zip(("stop",) if len(plain) == 1 else order, plain, strict=False)) | dict(named)
    for key in order:
        if not isinstance(given[key], (int, float)):
            raise UnreadableError(f"range(…) of {shown(given[key])}")
    return counted(given["start"], given["stop"], given["step"])


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
    if NUMBER_TEXT.fullmatch(text):
        return float(text) if any(letter in text.lower() for letter in ".e") else int(text)
    return text
