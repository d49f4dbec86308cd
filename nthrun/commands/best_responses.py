"""`nthrun best-responses`: what responses to runs of a game gained, as lines or a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from nthrun.analysis.best_responses import (
    WHO,
    Case,
    Responses,
    best_responses_of,
    mean_text,
    over_parents,
)
from nthrun.analysis.figures.saving import safe_name
from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import Command, debug_option
from nthrun.records.data import open_data
from nthrun.records.durable_file import write_durably
from nthrun.terminal import note, show

COLUMNS = ("who responds", "at step", "before", "after", "gain", "parents or runs")


@click.command("best-responses", cls=Command)
@click.argument("directory", metavar="DIR")
@click.option(
    "--out",
    default="best_responses",
    show_default=True,
    metavar="DIR",
    help="Folder of the files br_<role>_output.txt, in a folder for each parent.",
)
@click.option(
    "--table",
    is_flag=True,
    help="Print a Markdown table instead, over all parents, as runs of one setting.",
)
@debug_option
def best_responses(directory: str, out: str, table: bool, debug: bool) -> int:
    """Print and write what best responses gained that are recorded in the experiment directory DIR.

    A line is of one checkpoint: what an agent of the role earned in a step before and after it
    learned to respond, and the difference, as means and standard deviations over runs that differ
    in nothing but their seeds. A table has means over parents instead, with Student's intervals of
    95 %. As responses are approximate, a gain is a lower bound. That of all agents of a role
    together is about a meta-equilibrium; only that of one agent bounds the distance from a Nash
    equilibrium.
    """
    cases = best_responses_of(open_data(data_path(directory)))
    if table:
        for row in _rows(cases):
            show(f"| {' | '.join(row)} |")
    else:
        _write_lines(cases, Path(out))
    return 0


def _rows(cases: Mapping[Case, Responses]) -> Iterator[tuple[str, ...]]:
    """The rows of the table, of a step each, the headings first."""
    yield COLUMNS
    yield ("---",) * len(COLUMNS)
    found = over_parents(cases)
    several = {name: len({getattr(c, name) for c in found}) > 1 for name in ("directory", "answer")}
    for checkpoint, responses in found.items():
        who = f"{checkpoint.role}, {WHO[checkpoint.deviators]}"
        who += f", {checkpoint.directory or 'no parent'}" if several["directory"] else ""
        who += f", answer {checkpoint.answer}" if several["answer"] else ""
        step = str(checkpoint.step) if checkpoint.step >= 0 else "uniform play"
        numbers = (responses.before, responses.after, responses.gain)
        yield who, step, *map(mean_text, numbers), str(len(responses.before))


def _write_lines(cases: Mapping[Case, Responses], out: Path) -> None:
    """Print the lines of all cases, and write them to the files of their parents."""
    folders = _folders(cases)
    files: dict[Path, list[str]] = {}
    for case, found in cases.items():
        checkpoint = case.checkpoint
        line = found.line(checkpoint.step)
        whose = f"{case.parent}, {checkpoint.role}, {WHO[checkpoint.deviators]}"
        runs = "1 run, of which deviations are 0" if len(found.gain) == 1 else f"{len(found.gain)}"
        note(f"{whose}, setting {case.setting}, stage {case.stage}, runs: {runs}:")
        show(line)
        end = "" if checkpoint.deviators == "type" else "_one"
        name = f"br_{checkpoint.role}{end}_output.txt"
        files.setdefault(out / folders[case] / name, []).append(line)
    for path, lines in files.items():
        _write(path, "".join(f"{line}\n" for line in lines).encode())


def _folders(cases: Collection[Case]) -> dict[Case, Path]:
    """The folder of each case: its parent's, and in it one for each stage or setting where lines of
    several could not be told apart."""
    stages = {case.stage for case in cases}
    alike = Counter(_asked(case) for case in cases)
    several = {case.parent for case in cases if alike[_asked(case)] > 1}
    names: dict[str, str] = {}
    for parent in dict.fromkeys(case.parent for case in cases):
        name = safe_name(parent.replace(" ", "_"))
        names[parent] = f"{name}_{len(names)}" if name in names.values() else name
    folders = {}
    for case in cases:
        parts = [names[case.parent]]
        parts += [f"stage{case.stage}"] if len(stages) > 1 else []
        parts += [f"setting{case.setting}"] if case.parent in several else []
        folders[case] = Path(*parts)
    return folders


def _asked(case: Case) -> Case:
    """What the original's line and the name of its file say of a case."""
    return replace(case, setting=0, checkpoint=replace(case.checkpoint, answer=0))


def _write(path: Path, content: bytes) -> None:
    write_durably(path, lambda file: file.write(content))
