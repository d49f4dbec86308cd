"""Soundness of what programs leave in an experiment: scratch directories and artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nthrun.commands.findings import DAMAGED, FOREIGN_FILE, MOVE, STALE, Finding
from nthrun.errors import NthrunError
from nthrun.index import join_index
from nthrun.programs.scratch import NAME, PROGRAMS
from nthrun.records.artifacts import (
    ARTIFACTS,
    artifact_directories,
    artifact_directory,
    require_artifacts,
)
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.listing import is_own_folder, is_there, paths_in
from nthrun.records.schema import OMITTED_FROM_JSON
from nthrun.records.writer import TEMPORARY_PREFIX

AGAIN = "run the index again with --overwrite"


def scratch_findings(checkpoints: Path, recorded: Mapping[int, set[int]]) -> Iterator[Finding]:
    """What the scratch directories of runs are found to be.

    Args:
        checkpoints: the experiment's folder of that name.
        recorded: stage -> indices.
    """
    for path in paths_in(checkpoints / PROGRAMS):
        match = NAME.fullmatch(path.name)
        if match is None or not is_own_folder(path):
            yield Finding("checkpoints", path, FOREIGN_FILE, "no directory of nthrun", MOVE)
        elif int(match[2]) in recorded.get(int(match[1]), set()):
            yield Finding("checkpoints", path, STALE, "its run is recorded", "delete it")
        else:
            yield Finding("checkpoints", path)


def artifact_findings(experiment: Experiment | None) -> Iterator[Finding]:
    """What the files that runs keep are found to be, beside what their records say of them."""
    if experiment is None or not _may_have_artifacts(experiment):
        return
    known = _recorded_artifacts(experiment)
    for path, run in artifact_directories(experiment.root):
        if path.name.startswith(TEMPORARY_PREFIX):
            continue
        if run is None:
            yield Finding(ARTIFACTS, path, FOREIGN_FILE, "no directory of nthrun", MOVE)
        elif run not in known:
            yield Finding(ARTIFACTS, path, STALE, "no record has artifacts there", "delete it")
    for (stage, index), files in known.items():
        directory = artifact_directory(experiment.root, stage, index)
        try:
            require_artifacts(directory, files)
        except NthrunError as error:
            problem = error.message.removeprefix(f"{directory}/")
            yield Finding(ARTIFACTS, directory, DAMAGED, problem, AGAIN)
        else:
            yield Finding(ARTIFACTS, directory)


def _may_have_artifacts(experiment: Experiment) -> bool:
    """Whether a look at every record can find any: only programs keep files."""
    return "name" in experiment.manifest.agent or is_there(experiment.root / ARTIFACTS)


def _recorded_artifacts(experiment: Experiment) -> dict[tuple[int, int], Mapping[str, Any]]:
    """(stage, index) -> what the newest record says of its artifacts."""
    known: dict[tuple[int, int], Mapping[str, Any]] = {}
    for entry in open_directory(experiment).entries:
        try:
            run = entry.load(OMITTED_FROM_JSON)
        except NthrunError:
            continue  # told among the records
        files = run["provenance"].get(ARTIFACTS)
        setting_number, stage, run_number = entry.identity
        index = join_index(setting_number, run_number, experiment.manifest.num_settings)
        if isinstance(files, Mapping):
            known[stage, index] = files
    return known
