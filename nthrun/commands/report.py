"""`python -m nthrun report`: one HTML file about one or several experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nthrun.analysis.optuna_trials import IMPORTANCE, require_importances
from nthrun.analysis.score_options import DIRECTION, IMPORTANCES, LAST, METRICS, SHORTEST
from nthrun.analysis.scores import chosen_entries, common_step
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError, NthrunError, StorageError
from nthrun.files.regular_file import open_regular
from nthrun.records.data import Data
from nthrun.records.durable_file import write_durably
from nthrun.terminal import show, warn

START_BYTES = 4096
"""Bytes at the start of a file among which a report says that it is one."""


@click.command(cls=Command)
@click.argument("experiments", nargs=-1, required=True, metavar="EXPERIMENT...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The file.",
)
@click.option("--title", help="The page's title.  [default: the environments]")
@click.option(
    "--label", "labels", multiple=True, help="Name of an EXPERIMENT; once for each, in order."
)
@click.option("--metric", default="return", show_default=True, help=METRICS)
@click.option("--last", **LAST)
@click.option(
    "--stage",
    type=click.IntRange(min=0),
    metavar="S",
    help="Whose runs choose; those of others confirm.  [default: the lowest recorded]",
)
@click.option("--direction", **DIRECTION)
@click.option("--shortest", **SHORTEST)
@click.option(IMPORTANCE, **IMPORTANCES)
@click.option("--overwrite", is_flag=True, help="Replace a file that is no report.")
@debug_option
def report(
    experiments: Sequence[str],
    out: Path,
    title: str | None,
    labels: Sequence[str],
    overwrite: bool,
    debug: bool,
    **question: Any,
) -> int:
    """Write a page about EXPERIMENTs: status, best settings, plots, origin, and how to repeat them.

    EXPERIMENT is an experiment directory, data.json, data.h5 or a shard. The page is one file that
    needs no network. Prints its path. Files that are damaged are left out and named, and the exit
    status is 1.
    """
    from nthrun.analysis.report.experiment_summary import (  # noqa: PLC0415
        Question,
        lengths_side_by_side,
        summarise,
    )
    from nthrun.analysis.report.page import is_report, report_page  # noqa: PLC0415 - matplotlib

    if out.is_dir():
        raise NthrunError(f"--out {out}: is a directory, allowed: a file", "name a file in it")
    if out.exists() and not overwrite and not is_report(_start(out)):
        raise NthrunError(
            f"--out {out}: there already, and no report of nthrun", "give another, or --overwrite"
        )
    shortest = question.pop("shortest")
    asked = Question(**question)
    if asked.importance:
        require_importances()

    def page_of(opened: Sequence[tuple[str, Data]]) -> str:
        environments = ", ".join(dict.fromkeys(data.env_name for _, data in opened))
        steps = _common_steps(opened, asked.stage) if shortest else {}
        summaries = [
            summarise(label, data, replace(asked, up_to=steps.get(data.env_name)))
            for label, data in opened
        ]
        for lengths in lengths_side_by_side(summaries):
            warn(lengths)
        return report_page(summaries, title or f"Report: {environments}")

    page, code = act_on_readable(open_labelled(experiments, labels), page_of)
    _write(out, page)
    show(out)
    return code


def _write(out: Path, page: str) -> None:
    """Write a page.

    Raises:
        StorageError: that is not possible.
    """
    try:
        write_durably(out, lambda file: file.write(page.encode(errors="replace")))
    except StorageError as error:
        raise StorageError(error.message, "give another --out") from error


def _common_steps(opened: Sequence[tuple[str, Data]], stage: int | None) -> dict[str, int]:
    """Environment -> the last evaluation that all runs in it reached.

    Args:
        opened: label and data.
        stage: of the runs; None is the lowest of each.
    """
    steps: dict[str, int] = {}
    for _, data in opened:
        lowest = min((entry.identity.stage for entry in data.entries), default=None)
        reached = common_step(chosen_entries(data, lowest if stage is None else stage))
        if reached is not None:
            steps[data.env_name] = min(reached, steps.get(data.env_name, reached))
    return steps


def _start(path: Path) -> bytes:
    """The beginning of a file.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return file.read(START_BYTES)
    except DataFileError as error:
        raise NthrunError(f"--out {error.message}", "give another --out") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}", "give another --out") from error
