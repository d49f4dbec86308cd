"""Soundness: what each file of an experiment is found to be when all of it is read."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nthrun.commands.findings import DAMAGED, FOREIGN_FILE, MOVE, SOUND, STALE, Finding
from nthrun.commands.program_soundness import artifact_findings, scratch_findings
from nthrun.errors import NthrunError, StorageError
from nthrun.files.regular_file import ABSENT
from nthrun.programs.scratch import PROGRAMS
from nthrun.records.artifacts import ARTIFACTS
from nthrun.records.combine import DATA_H5, DATA_JSON
from nthrun.records.data import Data, open_combined, open_directory
from nthrun.records.distributions import DISTRIBUTIONS, read_distributions
from nthrun.records.durable_file import verified_header
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.hdf5_file import naming_damage
from nthrun.records.inventory import CACHE_NAME, FOREIGN
from nthrun.records.listing import FOLDERS, is_own_folder, is_there, names_in, paths_in
from nthrun.records.manifest import MANIFEST, read_manifest
from nthrun.records.shard import Shard
from nthrun.records.snapshots import read_snapshot
from nthrun.records.sources import ColumnsSource
from nthrun.records.writer import TEMPORARY_PREFIX, stale_files
from nthrun.scheduling.code_snapshot import CODE, NEW, require_intact
from nthrun.scheduling.lease import read_lease
from nthrun.scheduling.pending import LEASE
from nthrun.scheduling.plan import LOCK, PLANS, plan_paths, read_plan
from nthrun.studies.journal import JOURNAL, Journal
from nthrun.training.checkpoint_index import (
    ABANDONED_FILE,
    PACK,
    held_indices,
    require_whole,
    state_files,
)

TEMPORARY = "temporary files"
DATA = "data files"
SHARD_NAME = re.compile(r"stage[0-9]+-[0-9]+-[0-9]+-[0-9a-f]{12}\.h5|[0-9a-f]{12}\.forget")
LOG_NAME = re.compile(r"series\.log|replay-[0-9]+\.log")
NO_DIGEST = (
    "made before such files had a digest; its fingerprint was checked, its numbers cannot be"
)


def look_through(root: Path) -> Iterator[Finding]:
    """Read all that an experiment's directory holds, which others may write to meanwhile: what is
    gone by now is passed over. What cannot be listed or opened is a finding, too."""
    for each in _found_in(root):
        if each.state == SOUND or each.kind == MANIFEST or not _is_gone(each.path):
            yield each


def _is_gone(path: Path) -> bool:
    """Whether there is nothing under a name; where that cannot be told, there is something."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in ABSENT
    return False


def _found_in(root: Path) -> Iterator[Finding]:
    """What is found in an experiment's directory, file by file."""
    experiment, finding = _manifest(root)
    if finding is not None:
        yield finding
    recorded: dict[int, set[int]] = {}  # filled by the first, which goes before the others
    for kind, findings in (
        ("records", _records(experiment, recorded)),
        ("checkpoints", _checkpoints(root / "checkpoints", recorded)),
        ("snapshots", _snapshots(root / "snapshots")),
        (ARTIFACTS, artifact_findings(experiment)),
        ("plans", _plans(root)),
        ("search", _journal(root)),
        (DATA, _data_files(experiment)),
        ("code", _code(root / CODE)),
        (DISTRIBUTIONS, _distributions(root / DISTRIBUTIONS)),
        ("folders", _links(root)),
        (TEMPORARY, _left_behind(root)),
    ):
        try:
            yield from findings
        except StorageError as error:
            yield _unsound(kind, root, error, "")


def _manifest(root: Path) -> tuple[Experiment | None, Finding | None]:
    """The experiment of a directory, and what its manifest is found to be; None for what is not."""
    path, again = root / MANIFEST, "the command that made the experiment writes it anew"
    try:
        experiment = open_experiment(root)
        has_digest = read_manifest(root)[1]
    except NthrunError as error:
        if isinstance(error, StorageError) or is_there(path):
            return None, _unsound(MANIFEST, path, error, f"{MOVE}; {again}")
        if not names_in(root / "runs"):
            return None, None
        problem = "missing, so that the records in runs/ are of no experiment"
        return None, Finding(MANIFEST, path, DAMAGED, problem, f"restore it; {again}")
    experiment.keeps_cache = False
    return experiment, Finding(MANIFEST, path, SOUND, "" if has_digest else NO_DIGEST)


def _left_behind(root: Path) -> Iterator[Finding]:
    """The temporary files of killed processes, up to where a folder cannot be listed, which is told
    among the files that it is for."""
    with contextlib.suppress(StorageError):
        for directory in own_directories(root):
            for path in stale_files(directory):
                problem = "left behind by a process that was killed"
                yield Finding(TEMPORARY, path, STALE, problem, "--mend deletes it")


def own_directories(root: Path) -> Iterator[Path]:
    """The directories of an experiment in which files are written aside; no links to others, nor
    what lies behind one."""
    yield root
    for name in ("runs", "checkpoints", "snapshots", ARTIFACTS, PLANS, "search", DISTRIBUTIONS):
        if is_own_folder(root / name):
            yield root / name
            if name in ("checkpoints", PLANS):
                yield from filter(is_own_folder, paths_in(root / name))


def _records(experiment: Experiment | None, recorded: dict[int, set[int]]) -> Iterator[Finding]:
    """What is in runs/; stage -> the indices that are recorded is put into `recorded`."""
    if experiment is None:
        return
    paths = list(paths_in(experiment.runs))  # before: those recorded meanwhile are not known
    refused: list[tuple[Path, StorageError]] = []
    inventory = experiment.inventory(trust_cache=False, refused=refused)
    stages = {stage for stage, _ in inventory.entries}
    recorded.update({stage: inventory.recorded(stage) for stage in stages})
    problems, refusals = dict(inventory.unreadable), dict(refused)
    again = f"{MOVE}; its runs then count as missing, and are trained again"
    for path in paths:
        if path.name == CACHE_NAME:
            yield _cache(path)
        elif path.name.startswith(TEMPORARY_PREFIX):
            continue
        elif path in refusals:
            yield _unsound("records", path, refusals[path], "")
        elif path in problems:
            foreign = FOREIGN in problems[path] or not SHARD_NAME.fullmatch(path.name)
            state, remedy = (FOREIGN_FILE, MOVE) if foreign else (DAMAGED, again)
            yield Finding("records", path, state, problems[path], remedy)
        elif path.name in inventory.files:
            yield _checked("records", path, _read_shard, again)
        else:
            yield Finding("records", path, FOREIGN_FILE, "no file of nthrun", MOVE)


def _read_shard(path: Path) -> None:
    """Read every record of a shard.

    Raises:
        DataFileError: it does not hold what its header says.
    """
    if path.suffix != ".h5":
        return
    with naming_damage(path):
        columns = Shard(path).columns
        ColumnsSource(path, columns).table(range(len(columns)), None)


def _cache(path: Path) -> Finding:
    try:
        verified_header(path)
    except NthrunError as error:
        return Finding("records", path, STALE, _reason(path, error), "a cache; it is made anew")
    return Finding("records", path)


def _checkpoints(directory: Path, recorded: dict[int, set[int]]) -> Iterator[Finding]:
    for pack in paths_in(directory):
        if pack.name.startswith(TEMPORARY_PREFIX):
            continue
        if pack.name == PROGRAMS and is_own_folder(pack):
            yield from scratch_findings(directory, recorded)
            continue
        match = PACK.fullmatch(pack.name)
        if match is None or not is_own_folder(pack):
            yield Finding("checkpoints", pack, FOREIGN_FILE, "no directory of nthrun", MOVE)
            continue
        yield from _pack(pack, recorded.get(int(match[1]), set()))


def _pack(pack: Path, recorded: set[int]) -> Iterator[Finding]:
    states, sound = state_files(pack), True
    for path in states:
        remedy = "none: its runs go on from the state before, or from step 0"
        found = _checked("checkpoints", path, require_whole, remedy)
        sound = sound and found.state == SOUND
        yield found
    held = held_indices(pack) if sound else set()
    if held and held <= recorded:
        problem = "all of its runs are recorded"
        yield Finding("checkpoints", pack, STALE, problem, "none: the next training deletes it")
    for name in sorted(names_in(pack)):
        known = LOG_NAME.fullmatch(name) or ABANDONED_FILE.fullmatch(name)
        if not known and pack / name not in states and not name.startswith(TEMPORARY_PREFIX):
            yield Finding("checkpoints", pack / name, FOREIGN_FILE, "no file of nthrun", MOVE)


def _snapshots(directory: Path) -> Iterator[Finding]:
    for path in paths_in(directory):
        if not path.name.startswith(TEMPORARY_PREFIX):
            yield _checked("snapshots", path, read_snapshot, MOVE)


def _plans(root: Path) -> Iterator[Finding]:
    paths = list(paths_in(root / PLANS))
    plans = plan_paths(root)  # after: no plan that was listed is unknown
    remedy = f"{MOVE}; what it planned counts as missing unless it is recorded"
    for path in plans:
        yield _checked("plans", path, read_plan, remedy)
    for path in paths:
        if path in plans or path == root / LOCK or path.name.startswith(TEMPORARY_PREFIX):
            continue
        if not path.is_dir():
            yield Finding("plans", path, FOREIGN_FILE, "no plan of nthrun", MOVE)
        elif path.with_name(f"{path.name}.json") not in plans:
            yield Finding("plans", path, STALE, "its plan is gone", "delete it")
        else:
            yield from _claims(path)


def _claims(directory: Path) -> Iterator[Finding]:
    for path in paths_in(directory):
        if path.name.startswith(TEMPORARY_PREFIX):
            continue
        if not LEASE.fullmatch(path.name):
            yield Finding("plans", path, FOREIGN_FILE, "no claim of nthrun", MOVE)
        else:
            yield _checked("plans", path, read_lease, "delete it: its task counts as not begun")


def _journal(root: Path) -> Iterator[Finding]:
    path = root / JOURNAL
    if not is_there(path):
        return
    try:
        damaged = Journal(root).num_damaged_lines()
    except NthrunError as error:
        yield _unsound("search", path, error, f"{MOVE}; the search goes on from the records")
        return
    if damaged:
        problem = f"{damaged} line{'s' * (damaged != 1)} damaged, which count for nothing"
        yield Finding("search", path, DAMAGED, problem, "none: the search asks and tells again")
    else:
        yield Finding("search", path)


def _code(directory: Path) -> Iterator[Finding]:
    for path in paths_in(directory):
        if path.name.startswith(NEW):
            problem, remedy = "a copy that is being made, or was left unfinished", "delete it"
            yield Finding("code", path, STALE, problem, f"{remedy} when nothing is being submitted")
        else:
            yield _checked("code", path, require_intact, "delete it, and it is copied again")


def _distributions(directory: Path) -> Iterator[Finding]:
    for path in paths_in(directory):
        if not path.name.startswith(TEMPORARY_PREFIX):
            yield _checked(DISTRIBUTIONS, path, read_distributions, MOVE)


def _links(root: Path) -> Iterator[Finding]:
    """The experiment's folders that are links, through which nothing is written."""
    for path in (root / name for name in FOLDERS):
        if path.is_symlink():
            yield Finding("folders", path, FOREIGN_FILE, "a link", "put the folder itself there")


def _data_files(experiment: Experiment | None) -> Iterator[Finding]:
    if experiment is None:
        return
    for name in (DATA_JSON, DATA_H5):
        path = experiment.root / name
        if not is_there(path):
            continue
        rebuild = "--mend, or combining again, makes it anew from the records"
        found = _checked(DATA, path, _read_data, rebuild)
        yield _compared(experiment, found, rebuild) if found.state == SOUND else found
        for aside in paths_in(experiment.root, f"{name}.damaged-"):
            problem = "a damaged file that combining set aside"
            yield Finding(DATA, aside, STALE, problem, "delete it when you need nothing of it")


def _compared(experiment: Experiment, found: Finding, rebuild: str) -> Finding:
    """A sound combined file beside the records that it is of."""
    try:
        if not _is_outdated(experiment, open_combined(found.path)):
            return found
    except StorageError as error:
        problem = f"whether it holds all that is recorded cannot be told: {error.message}"
        return replace(found, problem=problem)
    return Finding(DATA, found.path, STALE, "not all that is recorded now", rebuild)


def _read_data(path: Path) -> None:
    """Read every record of a combined file."""
    data = open_combined(path)
    for entry in data.entries:
        entry.load(())


def _is_outdated(experiment: Experiment, combined: Data) -> bool:
    """Whether shards hold records that a combined file has not, or that it has were removed."""
    data = open_directory(experiment, combined.gone, trust_cache=False)
    listed = {(entry.identity, entry.shard) for entry in combined.entries}
    more_gone = (data.gone | combined.gone) != combined.gone
    return more_gone or not listed.issuperset((e.identity, e.shard) for e in data.entries)


def _checked(kind: str, path: Path, read: Callable[[Path], object], remedy: str) -> Finding:
    """A file that is sound if it can be read."""
    try:
        read(path)
    except NthrunError as error:
        return _unsound(kind, path, error, remedy)
    return Finding(kind, path)


def _unsound(kind: str, path: Path, error: NthrunError, remedy: str) -> Finding:
    """A file that is damaged, or of which the system does not tell what it holds."""
    remedy = error.hint if isinstance(error, StorageError) else remedy
    return Finding(kind, path, DAMAGED, _reason(path, error), remedy)


def _reason(path: Path, error: NthrunError) -> str:
    """What an error says besides naming the file."""
    return error.message.removeprefix(f"{path}: ")
