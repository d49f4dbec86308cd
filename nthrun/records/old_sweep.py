"""How many settings a sweep of the field's earlier tool has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from nthrun.records.old_values import WrongError, is_integer, mapping, need

MAX_INDEX = 2**63
"""Beyond it a record has no room for an index."""
PAIRED = "batch/replay"
"""The key that stood for `batch_size` and `replay_capacity` where a sweep had both."""


def count_settings(agent: Mapping[str, Any]) -> int:
    """Settings of an old sweep, in which `batch/replay` replaces the two keys it pairs.

    Raises:
        WrongError: a parameter has no values, or there are 2**63 settings or more.
    """
    where = "experiment.agent"
    parameters = mapping(need(agent, "parameters", where), f"{where}.parameters")
    num_pairs = count_legal_pairs(parameters)
    left = {key: values for key, values in parameters.items() if key != PAIRED}
    if num_pairs:
        left = {k: v for k, v in left.items() if k not in ("batch_size", "replay_capacity")}
    num_settings = num_pairs or 1
    for key, values in left.items():
        if not isinstance(values, list) or not values:
            raise WrongError(f"{where}.parameters.{key[:40]}", "no list of values")
        num_settings *= len(values)
        if num_settings >= MAX_INDEX:
            raise WrongError(f"{where}.parameters", "2**63 settings or more")
    return num_settings


def count_legal_pairs(parameters: Mapping[str, Any]) -> int:
    """How many pairs of batch size and replay capacity the old tool swept; 0 without both.

    A pair is legal whose capacity is at least its batch size.
    """
    if isinstance(parameters.get(PAIRED), list):
        return len(parameters[PAIRED])
    batches, capacities = parameters.get("batch_size"), parameters.get("replay_capacity")
    if not (isinstance(batches, list) and isinstance(capacities, list)):
        return 0
    if not all(is_integer(size) for size in (*batches, *capacities)):
        return 0
    rising = sorted(capacities)
    return sum(len(rising) - bisect_left(rising, batch) for batch in batches)
