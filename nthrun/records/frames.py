"""Frames: tables of records as pandas, xarray, and files of CSV and Parquet have them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.errors import DataFileError, NthrunError, require_extra
from nthrun.records.data import Data
from nthrun.records.durable_file import write_durably
from nthrun.records.tables import WHICH, episode_table, evaluation_table, table
from nthrun.specs.field import plain

ROWS = {"runs": table, "episodes": episode_table, "evaluations": evaluation_table}
"""What a row of a table may be -> the function that gives its columns."""
CSV, PARQUET = ".csv", ".parquet"
SETTING = "agent_params."


def columns_of(data: Data, rows: str) -> dict[str, np.ndarray]:
    """The columns of a table.

    Args:
        data: of an experiment.
        rows: what each row is, of `ROWS`.

    Raises:
        NthrunError: there is no such table.
    """
    if rows not in ROWS:
        raise NthrunError(f"rows: got {rows!r}, allowed: {', '.join(ROWS)}")
    return ROWS[rows](data)


def to_pandas(data: Data, rows: str = "runs") -> Any:
    """A table as a `pandas.DataFrame`; see `columns_of`.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    require_extra("pandas", "to_pandas")
    return import_module("pandas").DataFrame(columns_of(data, rows))


def to_xarray(data: Data) -> Any:
    """Runs and their evaluations as an `xarray.Dataset`.

    Its dimensions are `run`, `evaluation` and `episode`. Along `run` it has the columns of `table`,
    which run it is and its setting as coordinates; beside them `timestep`, (run, evaluation), the
    training steps before an evaluation, and `eval_return`, (run, evaluation, episode). A run that
    has fewer evaluations than others has NaN there.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    require_extra("xarray", "to_xarray")
    columns, evaluated = table(data), evaluation_table(data)
    which = np.stack([evaluated[name] for name in ("stage", "index")], 1)
    known = np.stack([columns[name] for name in ("stage", "index")], 1).tolist()
    number = {tuple(run): place for place, run in enumerate(known)}
    places = tuple(
        np.array(axis, np.int64)
        for axis in (
            [number[tuple(run)] for run in which.tolist()],
            evaluated["evaluation"],
            evaluated["episode"],
        )
    )
    shape = (len(known), *(int(axis.max(initial=-1)) + 1 for axis in places[1:]))
    returns, times = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    returns[places] = evaluated["return"]
    times[places[:2]] = evaluated["timestep"]
    coordinates = {n: ("run", c) for n, c in columns.items() if n in WHICH or n.startswith(SETTING)}
    variables: dict[str, Any] = {n: ("run", c) for n, c in columns.items() if n not in coordinates}
    variables["timestep"] = (("run", "evaluation"), times)
    variables["eval_return"] = (("run", "evaluation", "episode"), returns)
    return import_module("xarray").Dataset(variables, coordinates)


def write_table(data: Data, path: Path, rows: str = "runs") -> int:
    """Write a table as CSV or Parquet, by the suffix; returns how many rows it has.

    What is not a number, is nothing there; lists are JSON.

    Raises:
        DataFileError: it is another suffix.
        MissingExtraError: Parquet is to be written, and pyarrow is not installed.
        StorageError: it cannot be written.
    """
    columns = columns_of(data, rows)
    if path.suffix == CSV:
        content = _csv(columns)
    elif path.suffix == PARQUET:
        require_extra("pyarrow", str(path))
        content = _parquet(columns)
    else:
        raise DataFileError(f"{path}: unknown file type, allowed: {CSV}, {PARQUET}")
    write_durably(path, lambda file: file.write(content))
    return len(columns["index"])


def _csv(columns: Mapping[str, np.ndarray]) -> bytes:
    text = io.StringIO()
    table_writer = csv.writer(text, lineterminator="\n")
    table_writer.writerow(columns)
    cells = ([_cell(value) for value in column.tolist()] for column in columns.values())
    table_writer.writerows(zip(*cells, strict=True))
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> Any:
    """A value as CSV has it: a number so that it is read again, a list as JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (list, tuple, Mapping, bool)):
        return json.dumps(plain(value))
    return value


def _parquet(columns: Mapping[str, np.ndarray]) -> bytes:
    arrow = import_module("pyarrow")
    written = import_module("pyarrow.parquet")
    named = {
        name: [str(_cell(value)) for value in column.tolist()] if column.dtype == object else column
        for name, column in columns.items()
    }
    content = io.BytesIO()
    written.write_table(arrow.table(named), content)
    return content.getvalue()
