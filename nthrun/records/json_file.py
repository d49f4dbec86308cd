"""data.json: the data dict as strict JSON that any language reads.

Arrays are nested lists; their dtypes stand once under "dtypes" (an array of another dtype than the
others of its name is {"dtype": ..., "values": ...}). A non-finite number is one of the strings
"NaN", "Infinity", "-Infinity". An array with no numbers is {"shape": [...]}.
Setting numbers, keys of "experiment_data", are strings in JSON and integers again when read. The
"git_diff" of a provenance is a place in the list "git_diffs". The last line has the SHA-256 of all
bytes before it, so that a digit that was changed shows; files made before that have none.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nthrun.errors import DamagedFileError, DataFileError, IndexSpecError
from nthrun.files.document import parse_document, require_form
from nthrun.files.forms import (
    ANY_FIELDS,
    Either,
    Fields,
    Items,
    Number,
    Row,
    Table,
    Text,
    Unchecked,
    Whole,
)
from nthrun.files.regular_file import cannot_read, read_regular
from nthrun.records.columns import MAX_DIMENSIONS, is_dtype
from nthrun.records.places import Places, parse_places
from nthrun.records.schema import (
    COUNTS,
    FLOATS,
    JSON_TEXTS,
    NON_FINITE,
    NOT_RECORDED,
    PARAMETERS,
    PROVENANCE,
    SCHEMA_VERSION,
    SPECS,
    STATUSES,
    Run,
    arrays_problem,
    measures,
    require_schema,
    shapes_of,
    values_problem,
)
from nthrun.records.shard import SHARD_ID

LARGEST_BYTES = 2**34
NOUN = "a data.json"
DIGEST_LINE = re.compile(rb'"digest": "([0-9a-f]{64})"}\n?')
DIGEST_BYTES = 12 + 64 + 3
SETTING = Fields({"agent_params": PARAMETERS, "runs": Items(ANY_FIELDS)})
FORM = Fields(
    {
        "schema": Whole(SCHEMA_VERSION, SCHEMA_VERSION),
        "omitted": Items(Text()),
        "experiment": SPECS,
        "experiment_data": Table(SETTING, Text(pattern="[0-9]{1,19}", words="a setting number")),
        "gone": Items(Row((SHARD_ID, Text()))),
        "git_diffs": Items(Text()),
        "dtypes": Table(Text()),
    },
    {"digest": Text()},
)
REAL = Either(Number(), NON_FINITE)
RUN = Fields(
    {
        **{name: Whole() for name in COUNTS if name not in NOT_RECORDED},
        "random_seed": Whole(-(2**63)),
        **{name: REAL for name in FLOATS if name not in NOT_RECORDED},
        "status": Text(STATUSES),
        "reason": Text(),
        "agent_params": PARAMETERS,
        "provenance": Fields(
            {"git_diff": Whole()}, dict(PROVENANCE.optional), others=PROVENANCE.others
        ),
    },
    {"unfinished_episode_steps": Whole(), "unfinished_episode_reward": REAL},
    others=Unchecked(),
)
"""Of a run in the file; its arrays are looked at where they are made."""
SHAPE = Fields({"shape": Items(Whole(0, 2**48))})


@dataclass(frozen=True, slots=True)
class JsonContent:
    """What a data.json holds.

    Attributes:
        experiment: the two specs.
        runs: every run, in file order.
        omitted: top-level run keys that were left out.
        gone: records that were replaced or forgotten.
        has_digest: whether a digest vouches for all of it.
    """

    experiment: Mapping[str, Any]
    runs: tuple[Run, ...]
    omitted: tuple[str, ...]
    gone: Places
    has_digest: bool


def json_writer(
    experiment: Mapping[str, Any],
    runs: Iterable[Run],
    omitted: Collection[str],
    gone: Places,
) -> Callable[[BinaryIO], None]:
    """A function that streams data.json into a file, one run in memory at a time.

    Args:
        experiment: the two specs.
        runs: sorted by setting number; those keys in `omitted` already left out.
        omitted: the results that are named under "omitted".
        gone: records that were replaced or forgotten, named under "gone".
    """

    def write(file: BinaryIO) -> None:
        tables = _Tables({}, ())
        digest = hashlib.sha256()

        def add(content: bytes) -> None:
            digest.update(content)
            file.write(content)

        head = {"schema": SCHEMA_VERSION, "omitted": sorted(omitted), "experiment": experiment}
        add(_dump(head)[:-1] + b',\n"experiment_data": {')
        setting_number = None
        for run in runs:
            if run["setting_number"] != setting_number:
                add(b"\n" if setting_number is None else b"\n]},\n")
                setting_number = run["setting_number"]
                params = _dump(run["agent_params"])
                add(b'"%d": {"agent_params": %b, "runs": [\n' % (setting_number, params))
            else:
                add(b",\n")
            add(_dump(tables.encoded(run)))
        add((b"\n]}\n" if setting_number is not None else b"") + b"},\n")
        add(b'"gone": ' + _dump(gone.texts()) + b",\n")
        add(b'"git_diffs": ' + _dump(list(tables.git_diffs)) + b",\n")
        add(b'"dtypes": ' + _dump(tables.dtypes) + b",\n")
        file.write(b'"digest": "%b"}\n' % digest.hexdigest().encode())

    return write


def read_json_file(path: Path) -> JsonContent:
    """Read a data.json.

    Raises:
        DataFileError: it is damaged, or no data.json of nthrun.
    """
    try:
        content = read_regular(path, LARGEST_BYTES)
        has_digest = _require_digest(path, content)
        # It has as many lists as its runs have evaluations, so that no bound is too high.
        fields = parse_document(path, content, ANY_FIELDS, NOUN, max_parts=len(content))
        require_schema(path, fields.get("schema"))
        require_form(path, fields, FORM, NOUN)
        tables = _Tables(fields["dtypes"], fields["git_diffs"])
        runs = tuple(_runs(path, fields["experiment_data"], tables))
        gone = parse_places(fields["gone"])
    except OSError as error:
        raise cannot_read(path, error) from error
    except MemoryError as error:
        raise DataFileError(f"{path}: too large for this machine's memory") from error
    except IndexSpecError as error:
        raise DataFileError(f"{path}: gone: {error.message}") from error
    return JsonContent(fields["experiment"], runs, tuple(fields["omitted"]), gone, has_digest)


def _require_digest(path: Path, content: bytes) -> bool:
    """Check the digest of a file; returns whether it has one.

    Raises:
        DamagedFileError: it is of other bytes.
    """
    tail = content[-DIGEST_BYTES:]
    match = DIGEST_LINE.fullmatch(tail[tail.find(b'"digest"') :])
    if match is None:
        return False
    end = len(content) - len(match[0])
    if hashlib.sha256(memoryview(content)[:end]).hexdigest().encode() != match[1]:
        raise DamagedFileError(f"{path}: changed since it was written (by its digest)")
    return True


def _runs(path: Path, settings: Mapping[str, Any], tables: _Tables) -> Iterator[Run]:
    """The runs of all settings; each is taken out of them, as its lists are larger than its arrays.

    Raises:
        DataFileError: a field of one is not what it has to be.
    """
    for number, setting in settings.items():
        encoded = setting["runs"]
        for place, run in enumerate(encoded):
            encoded[place] = None
            where = f"experiment_data.{number}.runs[{place}]"
            if misfit := RUN.misfit(run, where):
                raise DataFileError(f"{path}: {misfit[0]}: {misfit[1]}")
            if run["setting_number"] != int(number):
                raise DataFileError(f"{path}: {where}: of setting {run['setting_number']}")
            try:
                decoded = tables.decoded(run)
                shapes = measures(None) | shapes_of(decoded)
                if problem := arrays_problem(shapes) or values_problem(decoded):
                    raise ValueError(problem)
                yield decoded
            except (ValueError, LookupError, TypeError, ArithmeticError, RuntimeError) as error:
                problem = " ".join(str(error).split())[:80]
                raise DataFileError(f"{path}: {where}: {problem}") from error


class _Tables:
    """What stands once in a file instead of in every run.

    Attributes:
        dtypes: array name -> dtype, of its first array.
        git_diffs: diff -> place, in order of appearance.
    """

    def __init__(self, dtypes: Mapping[str, str], git_diffs: Iterable[str]) -> None:
        self.dtypes = dict(dtypes)
        self._diffs = list(git_diffs)
        self.git_diffs = {diff: number for number, diff in enumerate(self._diffs)}

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
    """The array that a value stands for.

    Raises:
        ValueError: it stands for none.
    """
    if isinstance(value, Mapping) and value.keys() == {"dtype", "values"}:
        return _array_from_json(value["values"], str(value["dtype"]))
    if not is_dtype(dtype):
        raise ValueError(f"dtype {dtype[:20]}")
    if isinstance(value, (list, int, float)) or value in NON_FINITE.choices:
        array = np.array(value, dtype)  # numpy reads the words for non-finite numbers
        if array.ndim <= MAX_DIMENSIONS:
            return array
    elif SHAPE.misfit(value, "") is None and 0 in value["shape"]:
        return np.zeros(value["shape"][:MAX_DIMENSIONS], dtype)
    raise ValueError("an array that is no list of numbers, nor empty")
