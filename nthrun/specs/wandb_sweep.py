"""Sweep files of Weights & Biases, read as agent specs with a search.

A file with `method` and `parameters` is one. It says nothing of the agent, so `agent_name` is put
into it, or into another agent file of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nthrun.errors import Fault
from nthrun.specs.field import shown, unknown_keys
from nthrun.specs.search.sweeps import MAX_CAPACITY

IGNORED = ("program", "name", "project", "entity", "description", "command")
"""Keys that say how Weights & Biases starts and files its runs."""
TAKEN = ("agent_name", "method", "metric", "parameters", "run_cap")
METHODS = ("grid", "random", "bayes")
DEFAULT_CAPACITY = 1_000_000
"""Settings of a search without `run_cap`, which Weights & Biases continues until it is stopped."""
KEYS_OF = {"constant": {"value"}, "categorical": {"values"}}
BOUNDS = ("min", "max")
RANGES = {
    "uniform": "uniform",
    "int_uniform": "int",
    "log_uniform_values": "loguniform",
}
"""Distributions between `min` and `max`, and ours."""
_DISTRIBUTIONS = (*RANGES, *KEYS_OF)


def _is_wandb_sweep(content: Mapping[str, Any]) -> bool:
    """Whether a file is a sweep of Weights & Biases."""
    return "method" in content and "parameters" in content


def read_wandb_sweep(path: str, content: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The agent spec that a sweep file stands for, and everything wrong with it.

    Another file stands for itself.

    Args:
        path: of the file.
        content: what it holds.
    """
    if not _is_wandb_sweep(content):
        return content, []
    faults: list[Fault] = []

    def fault(key: str, problem: str, hint: str = "") -> None:
        faults.append(Fault(path, key, problem, hint))

    allowed = (*TAKEN, *IGNORED)
    for key, problem, hint in unknown_keys(content, allowed, ", ".join(allowed)):
        fault(key, problem, hint)
    parameters = content["parameters"]
    if not isinstance(parameters, dict):
        fault("parameters", f"got {shown(parameters)}, allowed: a mapping")
        parameters = {}
    spec: dict[str, Any] = {"parameters": _parameters(parameters, fault, "parameters")}
    if "agent_name" in content:
        spec = {"agent_name": content["agent_name"], **spec}
    return {**spec, "search": _search(content, fault)}, faults


def _search(content: Mapping[str, Any], fault: Callable[..., None]) -> dict[str, Any]:
    method = content["method"]
    if method not in METHODS:
        fault("method", f"got {shown(method)}, allowed: one of {', '.join(METHODS)}")
        return {}
    search: dict[str, Any] = {"method": method}
    if method != "grid":
        capacity = content.get("run_cap", DEFAULT_CAPACITY)
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            fault("run_cap", f"got {shown(capacity)}, allowed: an integer from 1 to {MAX_CAPACITY}")
        search["capacity"] = capacity
    metric = content.get("metric", {})
    if not isinstance(metric, dict) or not metric.keys() <= {"name", "goal"}:
        fault("metric", f"got {shown(metric)}, allowed: name and goal")
        return search
    names = {"name": "metric", "goal": "goal"}
    # A metric without a goal is to be minimised there.
    goals = {"goal": "minimize"} if metric else {}
    return search | {names[key]: value for key, value in {**goals, **metric}.items()}


def _parameters(raw: Mapping[str, Any], fault: Callable[..., None], parent: str) -> dict[str, Any]:
    """The parameters of a mapping, nested ones within."""
    parameters: dict[str, Any] = {}
    for name, what in raw.items():
        key = f"{parent}.{name}"
        if isinstance(what, dict) and what.keys() == {"parameters"}:
            nested = what["parameters"]
            if not isinstance(nested, dict):
                fault(key, f"got {shown(nested)}, allowed: a mapping")
                continue
            parameters[name] = _parameters(nested, fault, key)
        elif isinstance(what, dict):
            parameters[name] = _values(what, fault, key)
        else:
            fault(key, f"got {shown(what)}, allowed: a mapping with value, values, or min and max")
    return parameters


def _values(what: Mapping[str, Any], fault: Callable[..., None], key: str) -> Any:
    """What one parameter takes."""
    distribution = what.get("distribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        known = ", ".join(_DISTRIBUTIONS)
        fault(f"{key}.distribution", f"got {shown(distribution)}, allowed: one of {known}")
        return []
    given = what.keys() - {"distribution"}
    taken = [{*BOUNDS}, {"value"}, {"values"}]
    if distribution is not None:
        taken = [KEYS_OF.get(distribution, {*BOUNDS})]
    if given not in taken:
        allowed = " or ".join(" and ".join(sorted(keys, reverse=True)) for keys in taken)
        fault(key, f"got {shown(dict(what))}, allowed: {allowed}")
        return []
    if given == {"value"}:
        return [what["value"]]
    if given == {"values"}:
        return what["values"]
    ends = [what["min"], what["max"]]
    whole = all(isinstance(end, int) for end in ends)
    return {RANGES.get(distribution or "", "int" if whole else "uniform"): ends}
