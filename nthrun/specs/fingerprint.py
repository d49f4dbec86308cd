"""The fingerprint: a hash of everything that gives an index its meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nthrun.specs.documents import flatten
from nthrun.specs.environment_spec import PROTOCOL_KEYS
from nthrun.specs.field import plain
from nthrun.specs.search.search_spec import KNOWN_GOALS, LISTED
from nthrun.specs.search.space import names_of, split

METRIC = "metric"
PROGRAM_KEYS = ("command", "results")
"""Keys of an agent spec that say what a program computes."""

Specs = tuple[Mapping[str, Any], Mapping[str, Any]]
"""An agent's and an environment's document."""


def fingerprint(agent: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """SHA-256 over the ordered parameters and the sorted environment spec, in hexadecimal.

    Args:
        agent, environment: validated specs as documents. Validation has already turned a scalar
            into a list of one and a number into its declared type, so whitespace, `1e-3` for
            `0.001` and a scalar for a list of one change nothing, and swapped keys do. The metric
            of a search counts only where it goes by it.
    """
    content = [
        agent["agent_name"],
        list(agent["parameters"].items()),
        sorted(_meaning(environment).items()),
    ]
    if search := _search(agent):
        content.append(search)
    if program := _program(agent):
        content.append(program)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def same_runs(old: Specs, new: Specs, defaults: Mapping[str, Any]) -> bool:
    """Whether an index means the same in two pairs of specs whose fingerprints may differ.

    A hyperparameter that has one value has it in every setting: whether the spec writes its default
    out, and where among the others it stands, makes no difference.

    Args:
        old, new: validated (agent, environment) documents.
        defaults: of the agent's hyperparameters.
    """
    return _sense(*old, defaults) == _sense(*new, defaults)


def differing_keys(old: Specs, new: Specs, defaults: Mapping[str, Any] = {}) -> list[str]:
    """Keys that make two (agent, environment) documents differ in fingerprint.

    Args:
        old, new: validated documents.
        defaults: of the agent's hyperparameters; one written out is no difference.
    """
    before, after = (_texts(*specs, defaults) for specs in (old, new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if keys:
        return keys
    then, now = old[0]["parameters"], new[0]["parameters"]
    moved = zip([k for k in then if k in now], [k for k in now if k in then], strict=True)
    return [f"parameters.{place} (its place)" for other, place in moved if other != place]


def _texts(
    agent: Mapping[str, Any], environment: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, str]:
    """Dotted key -> value as JSON, of everything that a fingerprint may hang on."""
    named = {"agent_name": agent["agent_name"], **_meaning(environment)}
    silent = {name: [plain(value)] for name, value in defaults.items()}
    for name in names_of(agent["parameters"]):
        silent.pop(name, None)
    parameters = {**agent["parameters"], **silent}
    named |= {f"parameters.{key}": value for key, value in parameters.items()}
    named |= {f"search.{key}": value for key, value in _search(agent)}
    named |= _program(agent)
    return {key: json.dumps(value) for key, value in named.items()}


def _sense(
    agent: Mapping[str, Any], environment: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[Any, ...]:
    """What gives an index its meaning: keys of several values in order, the others in any."""
    constant = {name: plain(value) for name, value in defaults.items()}
    varying = []
    for key, values in agent["parameters"].items():
        if isinstance(values, list) and len(values) == 1:
            constant |= split(key, values[0])
        else:
            varying.append((key, values))
    search = dict(_search(agent))
    if METRIC in search:
        search.setdefault("goal", KNOWN_GOALS.get(search[METRIC]))
    search[LISTED] = [{**constant, **setting} for setting in search.get(LISTED, ())]
    world = json.dumps(sorted(_meaning(environment).items()))
    typed = json.dumps([varying, sorted(constant.items()), search]) if "name" in agent else ""
    program = json.dumps([_program(agent), typed])
    return agent["agent_name"], varying, constant, search, world, program


def _search(agent: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What of a search says which setting a number is; empty for the product of the lists."""
    search = agent.get("search", {})
    goes_by = search.get("method") == "bayes" or search.get("pruner", "none") != "none"
    ignored = () if goes_by else (METRIC, "goal")
    meaning = sorted((key, value) for key, value in search.items() if key not in ignored)
    return [] if meaning == [("method", "grid")] else meaning


def _program(agent: Mapping[str, Any]) -> dict[str, Any]:
    """What a program computes besides; empty for an agent."""
    return {key: _in_order(agent[key]) for key in PROGRAM_KEYS if key in agent}


def _meaning(environment: Mapping[str, Any]) -> dict[str, Any]:
    leaves = flatten(_in_order(environment))
    return {key: value for key, value in leaves if key not in PROTOCOL_KEYS}


def _in_order(value: Any) -> Any:
    """Plain data whose mappings are sorted, and in which a dot in a key is told from a level."""
    if isinstance(value, list):
        return [_in_order(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        json.dumps(key) if "." in key else key: _in_order(item)
        for key, item in sorted(value.items())
    }
