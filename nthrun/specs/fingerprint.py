"""The fingerprint: a hash of everything that gives an index its meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nthrun.specs.documents import flatten
from nthrun.specs.environment_spec import PROTOCOL_KEYS


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
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def differing_keys(
    old: tuple[Mapping[str, Any], Mapping[str, Any]],
    new: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> list[str]:
    """Keys that make two (agent, environment) documents differ in fingerprint."""
    (old_agent, old_environment), (new_agent, new_environment) = old, new
    before: dict[str, Any] = {"agent_name": old_agent["agent_name"], **_meaning(old_environment)}
    after: dict[str, Any] = {"agent_name": new_agent["agent_name"], **_meaning(new_environment)}
    before |= {f"parameters.{key}": value for key, value in old_agent["parameters"].items()}
    after |= {f"parameters.{key}": value for key, value in new_agent["parameters"].items()}
    before |= {f"search.{key}": value for key, value in _search(old_agent)}
    after |= {f"search.{key}": value for key, value in _search(new_agent)}
    absent = object()
    keys = [key for key in {**before, **after} if before.get(key, absent) != after.get(key, absent)]
    if not keys:
        moved = zip(old_agent["parameters"], new_agent["parameters"], strict=True)
        keys = [f"parameters.{now} (its place)" for then, now in moved if then != now]
    return keys


def _search(agent: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What of a search says which setting a number is; empty for the product of the lists."""
    search = agent.get("search", {})
    goes_by = search.get("method") == "bayes" or search.get("pruner", "none") != "none"
    ignored = () if goes_by else ("metric", "goal")
    meaning = sorted((key, value) for key, value in search.items() if key not in ignored)
    return [] if meaning == [("method", "grid")] else meaning


def _meaning(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flatten(environment) if key not in PROTOCOL_KEYS}
