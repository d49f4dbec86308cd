"""How to make the runs of an experiment again: commands, and the specs that they name."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nthrun.analysis.report.findings import Findings
from nthrun.index import format_indices
from nthrun.records.experiment import is_experiment
from nthrun.specs.directory import RESULTS
from nthrun.specs.search.search_spec import BAYES

AGENT_FILE, ENVIRONMENT_FILE, BEST_FILE = "agent.json", "environment.json", "best_agent.json"
FRESH = "reproduced"
"""The save dir of commands that train again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        purpose: what it does.
        command: as a shell takes it.
    """

    purpose: str
    command: str


def spec_files(found: Findings) -> dict[str, str]:
    """File name -> its text: the two specs, and the agent spec of the best setting alone."""
    files = {AGENT_FILE: dict(found.agent), ENVIRONMENT_FILE: dict(found.environment)}
    if found.choice is not None and len(found.scores.parameters) > 1:
        parameters = {name: [value] for name, value in found.choice.parameters.items()}
        files[BEST_FILE] = {"agent_name": found.agent_name, "parameters": parameters}
    return {name: json.dumps(document, indent=4) + "\n" for name, document in files.items()}


def steps(found: Findings) -> Iterator[Step]:
    """Commands that make the runs again, and that prove them equal, for each stage recorded."""
    columns = found.data.scalars()
    save_dir = recorded_in(found)
    for stage in np.unique(columns["stage"]).tolist():
        every = (columns["stage"] == stage) & (columns["status"] != "failed")
        of_best = every & (columns["setting_number"] == found.setting)
        groups = {f"the runs of setting {found.setting}": of_best, "all runs": every}
        for which, rows in groups.items():
            if not rows.any() or (rows is every and of_best.sum() == every.sum()):
                continue
            indices = columns["index"][rows].tolist()
            if found.search["method"] != BAYES:
                yield Step(
                    f"train {which} of stage {stage} again",
                    _command(indices, stage, FRESH, _backend(found)),
                )
            if save_dir is not None:
                yield Step(
                    f"run {which} of stage {stage} again and compare every bit with its record",
                    _command(indices, stage, save_dir, ["--verify"]),
                )


def recorded_in(found: Findings) -> str | None:
    """The --save-dir under which the experiment's directory is; None where there is none."""
    source = found.data.source
    root = source if is_experiment(source) else source.parent
    if found.spec is None or not is_experiment(root):
        return None
    parent = root.absolute().parent
    if parent.is_relative_to(RESULTS.absolute()) and parent != RESULTS.absolute():
        parent = parent.relative_to(RESULTS.absolute())
    same = found.spec.directory(str(parent)).absolute() == root.absolute()
    return str(parent) if same else None


def _backend(found: Findings) -> list[str]:
    """The option of the backend that all runs were made with, whose bits differ from others'."""
    made = found.data.bulk(("provenance",)).documents["provenance"]
    backends = {str(each["backend"]) for each in made if each.get("backend")}
    return ["--backend", backends.pop()] if len(backends) == 1 else []


def _command(indices: Iterable[int], stage: int, save_dir: str, more: Iterable[str]) -> str:
    specs = ["--agent-json", AGENT_FILE, "--env-json", ENVIRONMENT_FILE]
    stages = ["--stage", str(stage)] if stage else []
    where = ["--index", format_indices(indices), *stages, "--save-dir", save_dir]
    return shlex.join(["python", "main.py", *specs, *where, *more])


def source_text(source: Path) -> str:
    """A path as it was given, whatever bytes it has."""
    return str(source).encode(errors="surrogateescape").decode(errors="replace")
