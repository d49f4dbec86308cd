"""data.json: the data dict as strict JSON that any language reads.

Arrays are nested lists; their dtypes stand once under "dtypes" (an array of another dtype than the
others of its name is {"dtype": ..., "values": ...}). A non-finite number is one of the strings
"NaN", "Infinity", "-Infinity". An array with no numbers is {"shape": [...]}.
Setting numbers, keys of "experiment_data", are strings in JSON and integers again when read. The
"git_diff" of a provenance is a place in the list "git_diffs".
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
from nthrun.records.schema import FLOATS, JSON_TEXTS, SCHEMA_VERSION, Run
from nthrun.records.shard import RecordPlace, format_replaced, parse_replaced


@dataclass(frozen=True, slots=True)
class JsonContent:
    """What a data.json holds.

    Attributes:
        experiment: the two specs.
        runs: every run, in file order.
        omitted: top-level run keys that were left out.
        gone: records that were replaced or forgotten.
    """

    experiment: Mapping[str, Any]
    runs: tuple[Run, ...]
    omitted: tuple[str, ...]
    gone: frozenset[RecordPlace]


def json_writer(
    experiment: Mapping[str, Any],
    runs: Iterable[Run],
    omitted: Collection[str],
    gone: Iterable[RecordPlace],
) -> Callable[[BinaryIO], None]:
    """A function that streams data.json into a file, one run in memory at a time.

    Args:
        experiment: the two specs.
        runs: sorted by setting number; those keys in `omitted` already left out.
        omitted: what is named under "omitted".
        gone: records that were replaced or forgotten, named under "gone".
    """

    def write(file: BinaryIO) -> None:
        tables = _Tables({}, ())
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
            file.write(_dump(tables.encoded(run)))
        file.write((b"\n]}\n" if setting_number is not None else b"") + b"},\n")
        file.write(b'"gone": ' + _dump(format_replaced(gone)) + b",\n")
        file.write(b'"git_diffs": ' + _dump(list(tables.git_diffs)) + b",\n")
        file.write(b'"dtypes": ' + _dump(tables.dtypes) + b"}\n")

    return write


def read_json_file(path: Path) -> JsonContent:
    """Read a data.json.

    Raises:
        DataFileError: it is damaged, or no data.json of nthrun.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA_VERSION:
            raise DataFileError(f"{path}: schema {content['schema']}, not {SCHEMA_VERSION}")
        tables = _Tables(content["dtypes"], content["git_diffs"])
        settings = content["experiment_data"].values()
        runs = tuple(tables.decoded(run) for setting in settings for run in setting["runs"])
        gone = parse_replaced(content["gone"])
        return JsonContent(content["experiment"], runs, tuple(content["omitted"]), gone)
    except DataFileError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataFileError(f"{path}: damaged, or not a data.json of nthrun") from error


class _Tables:
    """What stands once in a file instead of in every run.

    Attributes:
        dtypes: array name -> dtype, of its first array.
        git_diffs: diff -> place, in order of appearance.
    """

    def __init__(self, dtypes: Mapping[str, str], git_diffs: Iterable[str]) -> None:
        self.dtypes = dict(dtypes)
        self.git_diffs = {diff: number for number, diff in enumerate(git_diffs)}
        self._diffs = list(self.git_diffs)

    def encoded(self, run: Run) -> dict[str, Any]:
        """A run as JSON data."""
        diff = run["provenance"]["git_diff"]
        number = self.git_diffs.setdefault(diff, len(self.git_diffs))
        provenance = run["provenance"] | {"git_diff": number}
        return self._encoded(run, "") | {"provenance": provenance}

    def decoded(self, run: Mapping[str, Any]) -> Run:
        """What `encoded` was given."""
        decoded = Run(self._decoded(run, ""))
        decoded["provenance"]["git_diff"] = self._diffs[run["provenance"]["git_diff"]]
        return decoded

    def _encoded(self, run: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        encoded: dict[str, Any] = {}
        for key, value in run.items():
            if isinstance(value, np.ndarray):
                encoded[key] = _array_to_json(value)
                dtype = value.dtype.str
                if self.dtypes.setdefault(prefix + key, dtype) != dtype:
                    encoded[key] = {"dtype": dtype, "values": encoded[key]}
            elif isinstance(value, Mapping) and key not in JSON_TEXTS:
                encoded[key] = self._encoded(value, f"{prefix}{key}/")
            else:
                encoded[key] = _with_words(value) if isinstance(value, float) else value
        return encoded

    def _decoded(self, run: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        decoded: dict[str, Any] = {}
        for key, value in run.items():
            if prefix + key in self.dtypes:
                decoded[key] = _array_from_json(value, self.dtypes[prefix + key])
            elif isinstance(value, Mapping) and key not in JSON_TEXTS:
                decoded[key] = self._decoded(value, f"{prefix}{key}/")
            elif not prefix and key in FLOATS:
                decoded[key] = float(value)  # which reads the words for non-finite numbers
            else:
                decoded[key] = value
        return decoded


def _dump(content: object) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


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


def _array_from_json(value: Any, dtype: str) -> np.ndarray:
    if isinstance(value, Mapping) and "dtype" in value:
        return _array_from_json(value["values"], value["dtype"])
    if isinstance(value, Mapping):
        return np.zeros(value["shape"], dtype)
    return np.array(value, dtype)  # numpy reads the words for non-finite numbers
