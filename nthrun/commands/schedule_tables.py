"""The tables of `schedule.py`: what a submission costs, and the state of experiments."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nthrun.index import format_indices
from nthrun.scheduling.plan_draft import Draft
from nthrun.scheduling.run_time import usable_seconds
from nthrun.terminal import printable, show

ANY_WIDTH = 100_000
"""Width at which nothing is cut off: a terminal wraps long lines, a file takes them."""
LEFT_COLUMNS = 1


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows on stdout, the first column to the left and the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="")
    for number, header in enumerate(headers):
        left = number < LEFT_COLUMNS
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(file=sys.stdout, width=ANY_WIDTH, highlight=False, markup=False, emoji=False)
    console.print(table, soft_wrap=True)


def show_costs(drafts: Sequence[Draft]) -> None:
    """Print what a submission would do and cost, an experiment a row."""
    unit = "GPU" if drafts[0].plan.cluster.integer("gpus") else "core"
    headers = ["experiment", "recorded", "queued", "missing", "tasks", "runs/task"]
    headers += [f"{unit}s/task", "hours/task", f"{unit}-hours"]
    rows = [_cost_row(draft) for draft in drafts]
    if len(drafts) > 1:
        totals = [draft.pending for draft in drafts]
        sums = [
            sum(pending.num_recorded for pending in totals),
            sum(pending.num_active for pending in totals),
            sum(len(pending.missing) for pending in totals),
            sum(len(draft.plan.tasks) for draft in drafts),
        ]
        hours = f"{sum(draft.unit_hours for draft in drafts):,.2f}"
        rows.append(["total", *(f"{number:,}" for number in sums), "", "", "", hours])
    show_table(headers, rows)
    for draft in drafts:
        for line in _remarks(draft):
            show(line)


def place_of(root: Path) -> str:
    """A directory as it is shortest named from here."""
    relative = os.path.relpath(root)
    return str(root) if relative.startswith("..") else relative


def _cost_row(draft: Draft) -> list[str]:
    pending, tasks, cluster = draft.pending, draft.plan.tasks, draft.plan.cluster
    runs = [task.num_runs for task in tasks]
    cores = [cluster.integer("gpus") or draft.cores_of(task) for task in tasks]
    hours = [seconds / 3600 for seconds in draft.wall_seconds]
    return [
        place_of(pending.root),
        f"{pending.num_recorded:,}",
        f"{pending.num_active:,}",
        f"{len(pending.missing):,}",
        f"{len(tasks):,}",
        _span([f"{number:,}" for number in (min(runs, default=0), max(runs, default=0))]),
        _span([str(number) for number in (min(cores, default=0), max(cores, default=0))]),
        _span([f"{number:.2f}" for number in (min(hours, default=0), max(hours, default=0))]),
        f"{draft.unit_hours:,.2f}",
    ]


def _span(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[1] else "-".join(ends)


def _remarks(draft: Draft) -> Iterator[str]:
    place, pending = place_of(draft.pending.root), draft.pending
    if draft.plan.tasks:
        runs = sum(task.num_runs for task in draft.plan.tasks)
        seconds = draft.worker_seconds / runs
        yield f"{place}: a run is taken to need {duration(seconds)} ({draft.run_times.source})"
        if draft.spec.agent.program is not None:
            yield (
                f"{place}: makes a file of records a run, {runs:,} in all; "
                "`nthrun combine DIR --compact` makes few of many"
            )
        usable = usable_seconds(draft.plan.cluster)
        if seconds > usable:
            yield (
                f"{place}: that is longer than a task has ({duration(usable)}): tasks save in "
                "time and are queued again until they are done"
            )
    if draft.num_left:
        yield (
            f"{place}: {draft.num_left:,} of the missing runs stay unsubmitted, as the limit on "
            "queued jobs is reached; give the same command again when some have ended"
        )
    if pending.failed:
        names = format_indices(pending.failed)
        yield f"{place}: failed: index {names}; --retry-failed runs them again"


def duration(seconds: float) -> str:
    """A time in words."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
