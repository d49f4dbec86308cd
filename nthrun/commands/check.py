"""`python -m nthrun check`: read everything that experiments hold, and say what is sound."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from nthrun.commands.experiment_paths import experiments_at
from nthrun.commands.findings import DAMAGED, SOUND, STALE, STATES, Finding
from nthrun.commands.options import Command, debug_option
from nthrun.commands.schedule_tables import place_of, show_table
from nthrun.commands.soundness import DATA, TEMPORARY, look_through
from nthrun.commands.submit import queue_if_known
from nthrun.errors import NthrunError, StorageError
from nthrun.records.combine import combine
from nthrun.records.experiment import open_experiment
from nthrun.records.listing import is_own_folder
from nthrun.scheduling.pending import active_tasks
from nthrun.scheduling.plan import LOCK, read_plans
from nthrun.terminal import note, show


@click.command(cls=Command)
@click.argument("directories", nargs=-1, required=True, metavar="DIR...")
@click.option(
    "--mend",
    is_flag=True,
    help="Delete what killed processes left behind, and make outdated or damaged data files anew.",
)
@click.option("--dry-run", is_flag=True, help="Say what --mend would do.")
@debug_option
def check(directories: Sequence[str], mend: bool, dry_run: bool, debug: bool) -> int:
    """Read all that the experiments in DIRs hold, and say what is sound.

    Every checksum is computed again: of the manifest, the records, checkpoints, snapshots, plans,
    the search's journal, the code and the data files. Of what is not sound a line says what is
    wrong and what to do. Ends with 1 if there is such a file, else with 0.

    --mend deletes temporary files whose writer is gone, and writes data.json and data.h5 anew; it
    never touches a record, nor an experiment that is running.
    """
    closed: list[tuple[Path, StorageError]] = []
    under = (root for directory in directories for root in experiments_at(directory, closed))
    roots = list(dict.fromkeys(under))
    findings = {root: list(look_through(root)) for root in roots}
    if mend or dry_run:
        for root in roots:
            if _mended(root, findings[root], dry_run) and not dry_run:
                findings[root] = list(look_through(root))
    show_table(("experiment", "what", *STATES), list(_rows(findings)))
    unsound = [each for found in findings.values() for each in found if each.state != SOUND]
    for each in (each for found in findings.values() for each in found if each.state == SOUND):
        if each.problem:
            note(f"{place_of(each.path)}: {each.problem}")
    unsound += [Finding("folders", path, DAMAGED, e.message, e.hint) for path, e in closed]
    for each in unsound:
        show(f"{place_of(each.path)}: {each.state}: {each.problem}; hint: {each.remedy}")
    return 1 if unsound else 0


def _rows(findings: dict[Path, list[Finding]]) -> Iterator[list[str]]:
    """A row for every kind of file of every experiment."""
    for root, found in findings.items():
        counts = Counter((each.kind, each.state) for each in found)
        for kind in dict.fromkeys(each.kind for each in found):
            yield [place_of(root), kind, *(f"{counts[kind, state]:,}" for state in STATES)]


def _mended(root: Path, findings: Sequence[Finding], dry_run: bool) -> bool:
    """Delete and rebuild what can be; whether there was anything to do."""
    wanted = [
        each
        for each in findings
        if (each.kind == TEMPORARY and each.state == STALE) or _can_be_rebuilt(each)
    ]
    if not wanted:
        return False
    try:
        reason = "is running" if is_running(root) else ""
    except NthrunError as error:
        reason = f"whether it is running cannot be told ({error.message})"
    if reason:
        note(f"{place_of(root)}: {reason}, and left alone")
        return False
    for each in wanted:
        would, done, mend = (
            ("would be deleted", "deleted", _delete)
            if each.kind == TEMPORARY
            else ("would be made anew", "made anew", partial(_rebuild, root))
        )
        if dry_run:
            show(f"{place_of(each.path)}: {would}")
        elif problem := mend(each.path):
            note(f"{place_of(each.path)}: not {done}: {problem}")
        else:
            show(f"{place_of(each.path)}: {done}")
    return True


def _can_be_rebuilt(each: Finding) -> bool:
    names = ("data.json", "data.h5")
    return each.kind == DATA and each.state in (DAMAGED, STALE) and each.path.name in names


def _delete(path: Path) -> str:
    """Delete a file, or a directory of copies; returns why that was not done."""
    try:
        if is_own_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _rebuild(root: Path, path: Path) -> str:
    """Make a data file anew; returns why that was not done."""
    try:
        combine(open_experiment(root), path)
    except NthrunError as error:
        return error.lines()[0].removeprefix(f"{path}: ")
    return ""


def is_running(root: Path) -> bool:
    """Whether tasks of an experiment are queued or running, or its lock is held."""
    queue = (
        queue_if_known() if any(not plan.cluster.is_local for plan in read_plans(root)) else None
    )
    return any(active_tasks(root, queue)) or _is_locked(root / LOCK)


def _is_locked(path: Path) -> bool:
    """Whether another process holds a lock; nothing is created."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
