"""The state of CMA-ES as plain data: Optuna hands it over pickled, and no file may hold code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

OPTIMIZER = "cma:optimizer"
"""Optuna's name of a state, and with `:0`, `:1`, … behind it of the parts of its pickle."""


def as_data(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that Optuna has just given a trial, as JSON can have them."""
    parts = {name for name in attributes if name.startswith(f"{OPTIMIZER}:")}
    data = {name: value for name, value in attributes.items() if name not in parts}
    if parts:
        text = "".join(attributes[f"{OPTIMIZER}:{part}"] for part in range(len(parts)))
        state = pickle.loads(bytes.fromhex(text)).__getstate__()
        data[OPTIMIZER] = {name: _plain(value) for name, value in state.items()}
    return data


def as_attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `as_data` gave, as Optuna wants it back; a pickle among it is left out, unread."""
    attributes = {n: v for n, v in data.items() if not n.startswith(f"{OPTIMIZER}:")}
    if OPTIMIZER in attributes:
        import cmaes  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

        optimizer = cmaes.CMA.__new__(cmaes.CMA)
        state = attributes.pop(OPTIMIZER)
        optimizer.__setstate__({name: _restored(value) for name, value in state.items()})
        attributes[f"{OPTIMIZER}:0"] = pickle.dumps(optimizer).hex()
    return attributes


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "shape": value.shape, "type": value.dtype.str}
    return value.item() if isinstance(value, np.generic) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["array"], value["type"]).reshape(value["shape"])
    return value
