"""The summary at the end of a search: the file `summary.json` beside its data, and its lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from nthrun.analysis.hyperparameters import setting_text
from nthrun.analysis.summary import Summary, summarise
from nthrun.analysis.unfinished import unfinished_notes
from nthrun.errors import NthrunError
from nthrun.index import format_indices
from nthrun.records.data import Data
from nthrun.records.durable_file import write_durably
from nthrun.terminal import note

SUMMARY = "summary"


def write_summary(data: Data, root: Path, stage: int) -> list[str]:
    """Write the summary of an experiment and give its lines.

    Args:
        data: its records.
        root: its directory.
        stage: whose runs.

    Returns:
        lines: the best setting, the next ones with their intervals, what was lost and why.

    Raises:
        DataFileError: nothing is recorded, or no run has the search's metric.
        StorageError: the file cannot be written.
    """
    summary = summarise(data, stage)
    content = json.dumps(summary.as_document(), indent=1, allow_nan=False).encode()
    path = root / (f"{SUMMARY}_stage{stage}.json" if stage else f"{SUMMARY}.json")
    write_durably(path, lambda file: file.write(content))
    return [*summary_lines(summary), f"summary: {path}"]


def report_summary(data: Data, root: Path, stage: int) -> list[str]:
    """Do as `write_summary`; where nothing can be compared or written, a line on stderr says so.

    The records are there all the same.
    """
    try:
        return write_summary(data, root, stage)
    except NthrunError as error:
        note(f"no summary: {error.lines()[0]}")
        return []


def summary_lines(summary: Summary) -> Iterator[str]:
    """A summary in words."""
    counts = ", ".join(f"{number} {status}" for status, number in summary.statuses.items())
    yield f"runs of stage {summary.stage}: {counts}"
    settings, scores = summary.settings, summary.settings.scores
    if scores.up_to is not None:
        yield f"compared by the first {scores.up_to} steps, which all reached that were not lost"
    varying = settings.varying()
    numbers = settings.numbers[settings.order].tolist()
    for rank, (number, estimate) in enumerate(zip(numbers, summary.top, strict=False), 1):
        yield f"{rank}. setting {number}: {scores.metric} {estimate.text()}"
        if values := setting_text(scores.parameters[number], varying):
            yield f"   {values}"
    if equals := settings.equals():
        yield f"as good as the first: {format_indices(equals)}"
    if len(numbers) > 1 and not scores.lost.all():
        yield "these runs chose the first, which flatters it: confirm it with --rerun"
    yield from unfinished_notes([scores])
    for reason, number in summary.reasons.items():
        yield f"{number} {reason}"
