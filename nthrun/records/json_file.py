"""data.json: the data dict as strict JSON that any language reads.

Arrays are nested lists; their dtypes stand once under "dtypes". A non-finite number is one of the
strings "NaN", "Infinity", "-Infinity". An array with no numbers is {"shape": [...]}.
Setting numbers, keys of "experiment_data", are strings in JSON and integers again when read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nthrun.errors import DataFileError
from nthrun.records.schema import JSON_TEXTS, SCHEMA_VERSION, Run


@dataclass(frozen=True, slots=True)
class JsonContent:
    """What a data.json holds.

    Attributes:
        experiment: the two specs.
        runs: every run, in file order.
        omitted: top-level run keys that were left out.
    """

    experiment: Mapping[str, Any]
    runs: tuple[Run, ...]
    omitted: tuple[str, ...]


def json_writer(
    experiment: Mapping[str, Any], runs: Iterable[Run], omitted: Collection[str]
) -> Callable[[BinaryIO], None]:
    """A function that streams data.json into a file, one run in memory at a time.

    Args:
        experiment: the two specs.
        runs: sorted by setting number; those keys in `omitted` already left out.
        omitted: what is named under "omitted".
    """

    def write(file: BinaryIO) -> None:
        dtypes: dict[str, str] = {}
        head = {"schema": SCHEMA_VERSION, "omitted": sorted(omitted), "experiment": experiment}
        file.write(_dump(head)[:-1] + b',\n"experiment_data": {')
        setting_number = None
        for run in runs:
            if run["setting_number"] != setting_number:
                file.write(b"\n" if setting_number is None else b"\n]},\n")
                setting_number = run["setting_number"]
                params = _dump(run["agent_params"])
                file.write(b'"%d": {"agent_params": %b, "runs": [\n' % (setting_number, params))
            else:
                file.write(b",\n")
            file.write(_dump(_encoded(run, dtypes, "")))
        file.write((b"\n]}\n" if setting_number is not None else b"") + b"},\n")
        file.write(b'"dtypes": ' + _dump(dtypes) + b"}\n")

    return write


def read_json(path: Path) -> JsonContent:
    """Read a data.json.

    Raises:
        DataFileError: it is damaged, or no data.json of nthrun.
    """
    try:
        content = json.loads(path.read_bytes())
        dtypes = content["dtypes"]
        settings = content["experiment_data"]
        runs = tuple(
            Run(_decoded(run, dtypes, ""))
            for setting in settings.values()
            for run in setting["runs"]
        )
        return JsonContent(content["experiment"], runs, tuple(content["omitted"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFileError(f"{path}: damaged, or not a data.json of nthrun") from error


def _dump(content: object) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def _encoded(run: Mapping[str, Any], dtypes: dict[str, str], prefix: str) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    for key, value in run.items():
        if isinstance(value, np.ndarray):
            dtypes[prefix + key] = value.dtype.str
            encoded[key] = _array_to_json(value)
        elif isinstance(value, Mapping) and key not in JSON_TEXTS:
            encoded[key] = _encoded(value, dtypes, f"{prefix}{key}/")
        else:
            encoded[key] = value
    return encoded


def _decoded(run: Mapping[str, Any], dtypes: Mapping[str, str], prefix: str) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    for key, value in run.items():
        if prefix + key in dtypes:
            decoded[key] = _array_from_json(value, np.dtype(dtypes[prefix + key]))
        elif isinstance(value, Mapping) and key not in JSON_TEXTS:
            decoded[key] = _decoded(value, dtypes, f"{prefix}{key}/")
        else:
            decoded[key] = value
    return decoded


def _array_to_json(array: np.ndarray) -> Any:
    if array.size == 0:
        return {"shape": list(array.shape)}
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return _with_words(array.tolist())
    return array.tolist()


def _with_words(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_words(item) for item in value]
    if math.isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _array_from_json(value: Any, dtype: np.dtype[Any]) -> np.ndarray:
    if isinstance(value, Mapping):
        return np.zeros(value["shape"], dtype)
    if dtype.kind == "f":
        return (
            np.array(value, dtype=object).astype(dtype)
            if _has_words(value)
            else np.array(value, dtype)
        )
    return np.array(value, dtype)


def _has_words(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_words(item) for item in value)
    return isinstance(value, str)
