"""`nthrun best-responses`: what responses to recorded runs of a game gained, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError
from nthrun.records.data import Data, open_data
from nthrun.records.durable_file import write_durably
from nthrun.records.schema import Run
from nthrun.terminal import note, show

AGENT = "best_response"
COMPLETED = "completed"
NO_RUN = "none"
WHO = {"type": "all agents together", "one": "one agent alone"}
"""Who deviates, in words."""


@dataclass(frozen=True, order=True, slots=True)
class Case:
    """What is repeated with other seeds.

    Attributes:
        parent: the run that is responded to, in words.
        deviators: "type" or "one".
        role: who responds.
        setting: number of the setting.
        step: training steps that the parent had taken; -1 where there is none.
    """

    parent: str
    deviators: str
    role: str
    setting: int
    step: int


@dataclass(frozen=True, slots=True)
class Responses:
    """What agents earned in a step, on average, in each repetition, `(runs,)`.

    Attributes:
        before, after: learning.
    """

    before: np.ndarray
    after: np.ndarray

    def line(self, step: int) -> str:
        """The original's line, its last parenthesis closed."""
        gain = self.after - self.before
        parts = {
            f"mean reward (std) on rollout {step}: before BR training": self.before,
            "after BR training": self.after,
            "mean improvement": gain,
        }
        return ", ".join(f"{name} {v.mean()} ({v.std()})" for name, v in parts.items())


@click.command("best-responses", cls=Command)
@click.argument("directory", metavar="DIR")
@click.option(
    "--out",
    default="best_responses",
    show_default=True,
    metavar="DIR",
    help="Folder of the files br_<role>_output.txt, in a folder for each parent.",
)
@debug_option
def best_responses(directory: str, out: str, debug: bool) -> int:
    """Print and write what best responses gained that are recorded in the experiment directory DIR.

    A line is of one checkpoint: what an agent of the role earned in a step before and after it
    learned to respond, and the difference, as means and standard deviations over runs. As responses
    are approximate, a gain is a lower bound. That of all agents of a role together is about a
    meta-equilibrium; only that of one agent bounds the distance from a Nash equilibrium.
    """
    data = open_data(data_path(directory))
    cases = dict(sorted(_cases(data).items()))
    files: dict[Path, list[str]] = {}
    for case, found in cases.items():
        line = found.line(case.step)
        several = len(found.before) > 1
        note(f"{case.parent}, {case.role}, {WHO[case.deviators]}, setting {case.setting}:")
        show(line)
        if not several:
            note("of one run, so that deviations are 0")
        end = "" if case.deviators == "type" else "_one"
        folder = Path(out) / case.parent.replace("/", "_").replace(" ", "_")
        files.setdefault(folder / f"br_{case.role}{end}_output.txt", []).append(line)
    for path, lines in files.items():
        _write(path, "".join(f"{line}\n" for line in lines).encode())
    return 0


def _write(path: Path, content: bytes) -> None:
    write_durably(path, lambda file: file.write(content))


def _cases(data: Data) -> Mapping[Case, Responses]:
    """What is recorded, by case.

    Raises:
        DataFileError: the records are not of best responses, or none is complete.
    """
    experiment = data["experiment"]
    agent = experiment["agent"].get("agent_name")
    if agent != AGENT:
        problem = f"{data.source}: runs of {agent}, allowed: of {AGENT}"
        raise DataFileError(problem, f"train {AGENT} on that experiment first")
    steps = experiment["environment"].get("steps_per_episode")
    found: dict[Case, list[tuple[float, float]]] = {}
    for entry in data.entries:
        if entry.status == COMPLETED:
            record = entry.load(())
            number = entry.identity.setting_number
            for case, pair in _of_run(record, number):
                found.setdefault(case, []).append(pair)
    if not found:
        raise DataFileError(f"{data.source}: no run is complete that was evaluated")
    each = {case: np.array(pairs) / max(1, steps or 1) for case, pairs in found.items()}
    return {case: Responses(pairs[:, 0], pairs[:, 1]) for case, pairs in each.items()}


def _of_run(record: Run, setting_number: int) -> Iterator[tuple[Case, tuple[float, float]]]:
    """What an agent of each role earned in an episode before the first step and after the last."""
    parent, metrics = record["provenance"].get("parent"), record.get("eval_metrics", {})
    setting = record["agent_params"]
    whose = f"{Path(setting['parent']).name} index {setting['parent_index']}"
    name = whose if parent else NO_RUN
    step = parent["step"] if parent else -1
    for key in metrics:
        role = key.removeprefix("before_")
        if role != key:
            case = Case(name, setting["deviators"], role, setting_number, step)
            yield case, (float(metrics[key][-1]), float(metrics[f"after_{role}"][-1]))
