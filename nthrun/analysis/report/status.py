"""How many runs there are of each stage, how they ended, and why, as parts of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nthrun.analysis.report.counting import StageCount
from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.markup import Html, element, shortened, table
from nthrun.records.schema import STATUSES


def status(found: Findings) -> Iterator[Html]:
    """Counts, indices that are missing, reasons, and files that could not be read."""
    yield element("h3", "Runs")
    head = ("stage", "settings", "runs of each", "expected", "recorded", *STATUSES, "missing")
    yield table("Runs by stage", head, map(_row, found.counts))
    yield element(
        "p",
        "Expected are as many runs of every setting as the most that any has; of stages other than "
        "0 and of searches that suggest settings, of the settings with runs.",
        class_="note",
    )
    for count in found.counts:
        if count.missing:
            indices = element("code", shortened(count.missing))
            yield element("p", f"Missing in stage {count.stage}: indices ", indices)
    yield from _reasons(found.counts)
    for path, problem in found.data.unreadable:
        yield element("p", f"Left out, unreadable: {path}: {problem}", class_="warning")


def _row(count: StageCount) -> list[str]:
    numbers = (
        *(count.stage, count.num_settings, count.num_repeats, count.num_expected, count.num_runs),
        *(*count.statuses.values(), count.num_missing),
    )
    return [str(number) for number in numbers]


def _reasons(counts: Sequence[StageCount]) -> Iterator[Html]:
    rows = [
        (reason, str(count.stage), str(number))
        for count in counts
        for reason, number in count.reasons.items()
    ]
    if rows:
        yield table("Why runs did not complete", ("reason", "stage", "runs"), rows)
    if more := sum(count.num_more_reasons for count in counts):
        yield element("p", f"{more} more reasons.")
