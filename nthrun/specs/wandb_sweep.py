"""Sweep files of Weights & Biases, read as agent specs with a search.

A file with `method` and `parameters` is one. It says nothing of the agent, so `agent_name` is put
into it, or into another agent file of the command.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nthrun.errors import Fault
from nthrun.specs.field import shown, unknown_keys
from nthrun.specs.search.sweeps import MAX_CAPACITY

IGNORED = ("program", "name", "project", "entity", "description", "command")
"""Keys that say how Weights & Biases starts and files its runs."""
PASSED = {
    "controller": "settings follow from the file and their number",
    "job": "main.py and schedule.py start runs",
    "image_uri": "main.py and schedule.py start runs",
    "launch": "a cluster file says where runs go",
    "scheduler": "a cluster file says where runs go",
    "queue": "a cluster file says where runs go",
    "resource_args": "a cluster file says where runs go",
    "settings": "they are the client's",
    "version": "there is one way to read a sweep",
}
"""Keys that are passed over with a note, and what takes their place."""
TAKEN = ("agent_name", "method", "metric", "parameters", "run_cap", "early_terminate")
METHODS = ("grid", "random", "bayes")
DEFAULT_CAPACITY = 1_000_000
"""Settings of a search without `run_cap`, which Weights & Biases continues until it is stopped."""
MAX_REPETITIONS = 1000
"""Entries of a list that stands for values with probabilities."""
WEIGHED = "categorical_w_probabilities"
KEYS_OF = {
    "constant": {"value"},
    "categorical": {"values"},
    WEIGHED: {"values", "probabilities"},
}
BOUNDS, MOMENTS, SHAPES = ("min", "max"), ("mu", "sigma"), ("a", "b")
RANGES = {
    "uniform": ("uniform", BOUNDS),
    "int_uniform": ("int", BOUNDS),
    "log_uniform": ("loguniform", BOUNDS),
    "log_uniform_values": ("loguniform", BOUNDS),
    "inv_log_uniform": ("loguniform", BOUNDS),
    "inv_log_uniform_values": ("loguniform", BOUNDS),
    "normal": ("normal", MOMENTS),
    "log_normal": ("lognormal", MOMENTS),
    "beta": ("beta_distribution", SHAPES),
}
"""Distributions that are drawn from, ours, and the keys of their numbers."""
QUANTISED = "q_"
STANDARD = {"mu": 0.0, "sigma": 1.0}
EXPONENTS = {"log_uniform": 1.0, "inv_log_uniform": -1.0}
"""Distributions whose numbers are exponents of e, and their sign."""
_DISTRIBUTIONS = (
    *RANGES,
    *(f"{QUANTISED}{name}" for name in RANGES if not name.startswith(("int", "inv"))),
    *KEYS_OF,
)


def is_wandb_sweep(content: Mapping[str, Any]) -> bool:
    """Whether a file is a sweep of Weights & Biases."""
    return "method" in content and "parameters" in content


def read_wandb_sweep(
    path: str, content: dict[str, Any]
) -> tuple[dict[str, Any], list[Fault], list[str]]:
    """The agent spec that a sweep file stands for, everything wrong with it, and notes.

    Another file stands for itself.

    Args:
        path: of the file.
        content: what it holds.
    """
    if not is_wandb_sweep(content):
        return content, [], []
    reader = _Reader(path, content)
    spec = reader.spec()
    return spec, reader.faults, reader.notes


class _Reader:
    """Reads a sweep, and collects its faults and what is to be told of it."""

    def __init__(self, path: str, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def fault(self, key: str, problem: str, hint: str = "") -> None:
        self.faults.append(Fault(self.path, key, problem, hint))

    def spec(self) -> dict[str, Any]:
        """The agent spec."""
        allowed = (*TAKEN, *IGNORED)
        foreign = [key for key in self.content if key not in PASSED]
        for key, problem, hint in unknown_keys(foreign, allowed, ", ".join(allowed)):
            self.fault(key, problem, hint)
        passed = [f"{key} ({PASSED[key]})" for key in self.content if key in PASSED]
        if passed:
            self.notes.append(f"of the sweep passed over: {'; '.join(passed)}")
        parameters = self.content["parameters"]
        if not isinstance(parameters, dict):
            self.fault("parameters", f"got {shown(parameters)}, allowed: a mapping")
            parameters = {}
        spec: dict[str, Any] = {"parameters": self.parameters(parameters, "parameters")}
        if "agent_name" in self.content:
            spec = {"agent_name": self.content["agent_name"], **spec}
        return {**spec, "search": self.search()}

    def search(self) -> dict[str, Any]:
        """How settings are found, what by, and what ends runs early."""
        method = self.content["method"]
        if method not in METHODS:
            self.fault("method", f"got {shown(method)}, allowed: one of {', '.join(METHODS)}")
            return {}
        search: dict[str, Any] = {"method": method}
        if method != "grid":
            capacity = self.content.get("run_cap") or DEFAULT_CAPACITY
            given = self.content.get("run_cap")
            whole = isinstance(capacity, int) and not isinstance(capacity, bool)
            if given == 0 or not whole or capacity < 1:
                allowed = f"an integer from 1 to {MAX_CAPACITY}"
                self.fault("run_cap", f"got {shown(given)}, allowed: {allowed}")
            search["capacity"] = capacity
        return search | self.metric() | self.pruner()

    def metric(self) -> dict[str, Any]:
        """What settings are compared by."""
        metric = self.content.get("metric")
        metric = {} if metric is None else metric
        if not isinstance(metric, dict) or not metric.keys() <= {"name", "goal", "target"}:
            self.fault("metric", f"got {shown(metric)}, allowed: name and goal")
            return {}
        if metric.get("target") is not None:
            self.notes.append("metric.target passed over: a search goes on beyond it")
        names = {"name": "metric", "goal": "goal"}
        given = {key: value for key, value in metric.items() if value is not None}
        # A metric without a goal is to be minimised there.
        goals = {"goal": "minimize"} if given else {}
        return {names[key]: value for key, value in {**goals, **given}.items() if key in names}

    def pruner(self) -> dict[str, Any]:
        """Hyperband as successive halving."""
        early = self.content.get("early_terminate")
        if not early:
            return {}
        known = {"type", "min_iter", "max_iter", "s", "eta", "strict"}
        if not isinstance(early, dict) or not early.keys() <= known:
            allowed = f"a mapping of {', '.join(sorted(known))}"
            self.fault("early_terminate", f"got {shown(early)}, allowed: {allowed}")
            return {}
        if early.get("type") != "hyperband":
            problem = f"got {shown(early.get('type'))}, allowed: hyperband"
            self.fault("early_terminate.type", problem)
            return {}
        numbers = {key: early.get(key) for key in ("min_iter", "max_iter", "s", "eta")}
        for key, value in numbers.items():
            least = 2 if key == "eta" else 1
            if value is not None and not (_is_number(value) and value >= least):
                problem = f"got {shown(value)}, allowed: a number >= {least}"
                self.fault(f"early_terminate.{key}", problem)
                return {}
        return self._halving(numbers)

    def _halving(self, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """The rungs of hyperband's numbers: the first at min_iter, or at max_iter / eta^s."""
        eta = numbers["eta"] or 3
        first = numbers["min_iter"] or 0
        if numbers["max_iter"] is not None and not first:
            first = max(1, round(numbers["max_iter"] / eta ** (numbers["s"] or 1)))
        self.notes.append(
            "early_terminate hyperband as pruner successive_halving, whose iterations are "
            f"evaluations: rungs at {first or 1} of them and at {eta}, {eta}², … times as many, "
            f"where one run in {eta} goes on"
        )
        halving = {"pruner": "successive_halving", "pruner_reduction": eta}
        return halving | ({"pruner_warmup_evaluations": first} if first else {})

    def parameters(self, raw: Mapping[str, Any], parent: str) -> dict[str, Any]:
        """The parameters of a mapping, nested ones within."""
        parameters: dict[str, Any] = {}
        for name, what in raw.items():
            key = f"{parent}.{name}"
            if isinstance(what, dict) and what.keys() == {"parameters"}:
                nested = what["parameters"]
                if not isinstance(nested, dict):
                    self.fault(key, f"got {shown(nested)}, allowed: a mapping")
                    continue
                parameters[name] = self.parameters(nested, key)
            elif not isinstance(what, dict):
                allowed = "a mapping with value, values, or min and max"
                self.fault(key, f"got {shown(what)}, allowed: {allowed}")
            elif what.get("value", 0) is None and what.keys() <= {"value", "distribution"}:
                self.notes.append(f"{key} left at its default: its value is null")
            else:
                parameters[name] = self.values(what, key)
        return parameters

    def values(self, what: Mapping[str, Any], key: str) -> Any:
        """What one parameter takes."""
        distribution = what.get("distribution")
        if distribution is not None and distribution not in _DISTRIBUTIONS:
            known = ", ".join(_DISTRIBUTIONS)
            problem = f"got {shown(distribution)}, allowed: one of {known}"
            self.fault(f"{key}.distribution", problem)
            return []
        given = {name for name in what if name != "distribution"}
        weighed = (None, "categorical", WEIGHED)
        if given == KEYS_OF[WEIGHED] and distribution in weighed:
            return self._weighed(what["values"], what["probabilities"], key)
        taken = [{*BOUNDS}, {"value"}, {"values"}]
        name = "" if distribution is None else distribution.removeprefix(QUANTISED)
        if name in RANGES:
            taken = [{*RANGES[name][1]}]
            given -= {"q"} if distribution != name else set()
            given |= STANDARD.keys() if RANGES[name][1] == MOMENTS else set()
        elif name:
            taken = [KEYS_OF[name]]
        if given not in taken:
            allowed = " or ".join(" and ".join(sorted(keys, reverse=True)) for keys in taken)
            self.fault(key, f"got {shown(dict(what))}, allowed: {allowed}")
            return []
        if given == {"value"}:
            return [what["value"]]
        if given == {"values"}:
            return what["values"]
        return self._drawn({**STANDARD, **what}, name, key)

    def _drawn(self, what: Mapping[str, Any], name: str, key: str) -> Any:
        """A range, or in a grid the numbers of one that can be listed."""
        kind, keys = RANGES.get(name, ("", BOUNDS))
        numbers = [number(what[key]) for key in keys]
        if not all(map(_is_number, numbers)):
            return {kind or "uniform": numbers}
        if name in EXPONENTS:
            numbers = sorted(float(f"{math.exp(EXPONENTS[name] * n):.9g}") for n in numbers)
            ends = " to ".join(map(shown, numbers))
            self.notes.append(f"{key} of {name}, whose ends are exponents of e, is from {ends}")
        whole = all(isinstance(one, int) for one in numbers)
        kind = kind or ("int" if whole else "uniform")
        if str(what.get("distribution")).startswith(QUANTISED):
            numbers.append(number(what.get("q", 1)))
        if self.content["method"] == "grid":
            return self._listed(kind, numbers, key)
        return {kind: numbers}

    def _listed(self, kind: str, numbers: list[Any], key: str) -> Any:
        """The numbers of a grid's range."""
        low, high = numbers[:2]
        step = 1 if kind == "int" else numbers[2] if kind == "uniform" and numbers[2:] else 0
        if not step or not _is_number(step) or (high - low) / step > MAX_REPETITIONS:
            text = f"{kind} {shown(low)} to {shown(high)}"
            problem = f"a range ({text}) cannot be enumerated by method grid"
            self.fault(key, problem, "list values, or write method: random and a run_cap")
            return []
        first, last = math.ceil(low / step), math.floor(high / step)
        return [
            float(f"{count * step:.9g}") if isinstance(step, float) else count * step
            for count in range(first, last + 1)
        ]

    def _weighed(self, values: Any, chances: Any, key: str) -> Any:
        """Values with probabilities, as a list that has each so many times."""
        fitting = isinstance(values, list) and isinstance(chances, list)
        fitting = fitting and len(values) == len(chances) and all(map(_is_number, chances))
        if not fitting or min(chances) < 0 or abs(sum(chances) - 1.0) > 1e-6:
            problem = f"got {shown(chances)}, allowed: a probability of each value, of sum 1"
            self.fault(f"{key}.probabilities", problem)
            return []
        if self.content["method"] != "random":
            self.notes.append(f"{key}.probabilities passed over: only what is drawn has them")
            return values
        counts = _repetitions(chances)
        if not counts:
            problem = "are not shares of a list that can be written out"
            hint = f"round them, so that {MAX_REPETITIONS} entries have them"
            self.fault(f"{key}.probabilities", problem, hint)
            return []
        self.notes.append(f"{key}.probabilities as a list that has each value so often")
        return [v for v, count in zip(values, counts, strict=True) for _ in range(count)]


def _repetitions(chances: list[float]) -> list[int]:
    """How often each of some values stands in the shortest list with these shares; empty for a list
    that is too long."""
    for size in range(1, MAX_REPETITIONS + 1):
        counts = [round(chance * size) for chance in chances]
        exact = all(abs(c - p * size) < 1e-6 * size for c, p in zip(counts, chances, strict=True))
        if exact and sum(counts) == size:
            return counts
    return []


def number(raw: Any) -> Any:
    """A number that YAML reads as a text, such as 1e-3, as one; anything else as it is."""
    if not isinstance(raw, str):
        return raw
    try:
        return float(raw)
    except ValueError:
        return raw


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
