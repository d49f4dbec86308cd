"""Where runs come from, and how to make them again: the commands and the specs that they name."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nthrun.analysis.report.experiment_summary import ExperimentSummary
from nthrun.index import format_indices
from nthrun.records.data import Data
from nthrun.records.experiment import is_experiment
from nthrun.specs.directory import RESULTS
from nthrun.specs.program_spec import program_keys
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.shipped import training_command

AGENT_FILE, ENVIRONMENT_FILE, BEST_FILE = "agent.json", "environment.json", "best_agent.json"
FRESH = "reproduced"
"""The save dir of commands that train again."""
MAX_VALUES = 8
"""Values that are named of each thing that provenance tells."""
PROVENANCE_NAMES = {
    "git_commit": "git commit",
    "code": "code (hash)",
    "backend": "backend",
    "device": "device",
    "compiler": "compiler",
    "threads": "threads",
    "processor": "kind of processor",
    "denormals": "denormal numbers",
    "host": "host",
    "pack_width": "runs in a pack",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """One thing that provenance tells.

    Attributes:
        name: its name.
        values: value -> number of runs; the most frequent first, no more than 8.
        num_distinct: number of different values.
    """

    name: str
    values: Mapping[str, int]
    num_distinct: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        purpose: what it does.
        line: the command as a shell takes it.
    """

    purpose: str
    line: str


def count_provenance(data: Data) -> list[Provenance]:
    """Count what the runs' provenance tells, and the different values of each."""
    counts: dict[str, Counter[str]] = {}
    for document in data.read(("provenance",)).documents("provenance"):
        for name, value in _provenance_items(document):
            counts.setdefault(name, Counter())[value] += 1
    return [
        Provenance(name, dict(values.most_common(MAX_VALUES)), len(values))
        for name, values in counts.items()
    ]


def _provenance_items(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) of everything that the provenance of one run tells."""
    for key, name in PROVENANCE_NAMES.items():
        if key in document:
            yield name, str(document[key]) or "none"
    for package, version in document.get("versions", {}).items():
        yield f"version of {package}", str(version)
    hosts = {str(each["host"]) for each in document.get("attempts", []) if "host" in each}
    if len(hosts) > 1:
        yield "moved between hosts", ", ".join(sorted(hosts))
    if line := document.get("command_line"):
        yield "command line", " ".join(chain(["python"], map(str, line)))


def spec_files(summary: ExperimentSummary) -> dict[str, str]:
    """File name -> its text: the two specs, and the agent spec of the best setting alone."""
    files = {AGENT_FILE: dict(summary.agent), ENVIRONMENT_FILE: dict(summary.environment)}
    if summary.choice is not None and len(summary.scores.parameters) > 1:
        parameters = {name: [value] for name, value in summary.choice.parameters.items()}
        program = program_keys(summary.agent)
        files[BEST_FILE] = {"agent_name": summary.agent_name, **program, "parameters": parameters}
    return {name: json.dumps(document, indent=4) + "\n" for name, document in files.items()}


def commands(summary: ExperimentSummary) -> Iterator[Command]:
    """Commands that make the runs again, and that prove them equal, for each stage recorded."""
    columns = summary.data.scalars()
    save_dir = save_dir_of(summary)
    for stage in np.unique(columns["stage"]).tolist():
        every = (columns["stage"] == stage) & (columns["status"] != "failed")
        of_best = every & (columns["setting_number"] == summary.setting)
        groups = {f"the runs of setting {summary.setting}": of_best, "all runs": every}
        for which, rows in groups.items():
            if not rows.any() or (rows is every and of_best.sum() == every.sum()):
                continue
            indices = columns["index"][rows].tolist()
            if summary.search["method"] != BAYES:
                yield Command(
                    f"train {which} of stage {stage} again",
                    _command_line(indices, stage, FRESH, _backend(summary)),
                )
            if save_dir is not None:
                yield Command(
                    f"run {which} of stage {stage} again and compare every bit with its record",
                    _command_line(indices, stage, save_dir, ["--verify"]),
                )


def save_dir_of(summary: ExperimentSummary) -> str | None:
    """The --save-dir under which the experiment's directory is; None where there is none."""
    source = summary.data.source
    root = source if is_experiment(source) else source.parent
    if summary.spec is None or not is_experiment(root):
        return None
    parent = root.absolute().parent
    if parent.is_relative_to(RESULTS.absolute()) and parent != RESULTS.absolute():
        parent = parent.relative_to(RESULTS.absolute())
    same = summary.spec.directory(str(parent)).absolute() == root.absolute()
    return str(parent) if same else None


def _backend(summary: ExperimentSummary) -> list[str]:
    """The option of the backend that all runs were made with, whose bits differ from others'."""
    made = summary.data.read(("provenance",)).documents("provenance")
    backends = {str(each["backend"]) for each in made if each.get("backend")}
    return ["--backend", backends.pop()] if len(backends) == 1 else []


def _command_line(indices: Iterable[int], stage: int, save_dir: str, more: Iterable[str]) -> str:
    specs = ["--agent-json", AGENT_FILE, "--env-json", ENVIRONMENT_FILE]
    stages = ["--stage", str(stage)] if stage else []
    where = ["--index", format_indices(indices), *stages, "--save-dir", save_dir]
    return shlex.join([*training_command(), *specs, *where, *more])
