"""The file of results that a command leaves: a CSV or JSON table, read as if it had reported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nthrun.errors import DataFileError
from nthrun.files.regular_file import read_regular
from nthrun.programs.report_lines import METRICS, ReportError, Reports, checked_line
from nthrun.specs.program_spec import RESULT_KEYS


def add_results(reports: Reports, scratch: Path, results: Mapping[str, Any]) -> None:
    """Take in what a command's file of results holds, row after row.

    Args:
        reports: of the run.
        scratch: its directory, in which the file is looked for.
        results: as the spec has it: `file`, and the columns.

    Raises:
        ReportError: the file is not there, lacks a column, or has what cannot be.
    """
    name = str(results["file"])
    columns = {key: str(results[key]) for key in RESULT_KEYS if key in results}
    metrics = {str(key): str(column) for key, column in results.get(METRICS, {}).items()}
    for number, row in enumerate(_rows(scratch / name, name), 1):
        try:
            line: dict[str, Any] = {}
            for key, column in columns.items():
                if (value := _value(row, column)) is not None:
                    line[key] = value
            kept = {key: v for key, c in metrics.items() if (v := _value(row, c)) is not None}
            reports.add(checked_line(line | ({METRICS: kept} if kept else {})))
        except ReportError as error:
            raise ReportError(f"{name}: row {number}: {error}") from None


def _value(row: Mapping[str, Any], column: str) -> Any:
    """What a row has in a column, a text as the number that it spells; None for nothing.

    Raises:
        ReportError: there is no such column.
    """
    if column not in row:
        known = ", ".join(list(map(str, row))[:20])
        raise ReportError(f"there is no column {column}, there are: {known}")
    value = row[column]
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return float(value)
    except ValueError:
        raise ReportError(f"{column}: got {value[:40]!r}, allowed: a number") from None


def _rows(path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a table.

    Raises:
        ReportError: it cannot be read.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, DataFileError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReportError(f"results: {name} cannot be read from the scratch: {reason}") from None
    if name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(text))
        return
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise ReportError(f"results: {name} is no JSON") from None
    yield from _json_rows(content, name)


def _json_rows(content: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a list of mappings, or of a mapping of lists or single values."""
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        yield from content
        return
    if not isinstance(content, dict):
        raise ReportError(f"results: {name}: allowed: a list of mappings, or a mapping of lists")
    lists = {key: v if isinstance(v, list) else [v] for key, v in content.items()}
    if len({len(values) for values in lists.values()}) > 1:
        raise ReportError(f"results: {name}: its lists differ in length")
    for values in zip(*lists.values(), strict=True):
        yield dict(zip(lists, values, strict=True))
