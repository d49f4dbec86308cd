"""`python -m nthrun export`: records as runs of the packages that others look at them with.

`export optuna` is in `export_optuna.py`.

W&B's own client writes the runs, offline: nothing is sent, nobody has to be logged in, and no file
is left but in the experiment's `logs/wandb`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from nthrun.agents.updates import updates_of
from nthrun.commands.experiment_paths import data_path
from nthrun.commands.export_optuna import optuna
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError, NthrunError, require_extra
from nthrun.files.document import read_document
from nthrun.files.forms import Text
from nthrun.planning.experiment_spec import ExperimentSpec, recorded_spec
from nthrun.records.data import Data
from nthrun.records.durable_file import storage_error
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.listing import paths_in, require_inside
from nthrun.records.schema import EPISODE_ENDS, OMITTED_FROM_JSON, Identity, Run
from nthrun.specs.declaration import load_program
from nthrun.specs.trust import Trust
from nthrun.specs.user_class import failing_as
from nthrun.terminal import note, show
from nthrun.training.logged_points import MAX_EPISODES, MAX_UPDATES, Row, Thinning

NOT_EXPORTED = tuple(name for name in OMITTED_FROM_JSON if name != "metrics")
"""Arrays of a record that are not read."""
CONTENT_FILE = "content.json"
"""File with the hash of what a run was written from, in its directory once the run is whole."""
STEP = "step"
"""The name that the training step has as the axis of every chart."""
SCRATCH_VARIABLES = ("CACHE", "CONFIG", "DATA", "ARTIFACT")
"""Where the client would write beside the run: `WANDB_<name>_DIR`."""
SETTINGS = {
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""The client's settings: what it would add to a run describes the machine, not the run."""

Json = Mapping[str, Any]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def export() -> None:
    """Write records as the runs of another package."""


export.add_command(optuna)


@export.command(cls=Command)
@click.argument("directory", metavar="DIR")
@click.option(
    "--trust",
    is_flag=True,
    help="Import the classes of its own that the experiment names, which runs them.",
)
@debug_option
def wandb(directory: str, trust: bool, debug: bool) -> int:
    """Write what the experiment directory DIR has recorded as offline runs of Weights & Biases.

    They are in DIR/logs/wandb, for `wandb sync`; nothing is sent from here. A run that was exported
    before is written again only if its record has changed. The metrics of updates of an agent
    class of your own are left out without --trust, as only the class knows at which steps it
    learns.
    """
    experiment = open_experiment(data_path(directory))
    require_inside(experiment.root)
    require_extra("wandb", "export wandb")
    with client() as package:
        exported = WandbRuns(experiment, package, Trust.USER if trust else Trust.READ)
        labelled = open_labelled([experiment.root])
        done: dict[Identity, bool] = {}
        _, code = act_on_readable(labelled, lambda read: _write_all(exported, read, done))
    written, equal = sum(done.values()), len(done) - sum(done.values())
    unchanged = f", {equal} there already" if equal else ""
    if exported.left_out:
        note(f"metrics of updates are left out: {exported.left_out}")
    show(f"{exported.folder}: {written} run{'s' * (written != 1)} written{unchanged}")
    return code


def _write_all(
    exported: WandbRuns, labelled: Sequence[tuple[str, Data]], done: dict[Identity, bool]
) -> None:
    """Write every recorded run that is not done, the first of those with one identity, while a bar
    shows how many; `done` says of each whether it was written, or there already."""
    [(_, data)] = labelled
    entries = {entry.identity: entry for entry in reversed(data.entries)}
    console = Console(file=sys.stderr)
    for identity, entry in track(
        sorted(entries.items()), "exporting", console=console, disable=not console.is_terminal
    ):
        if identity not in done:
            done[identity] = exported.write(entry.load(NOT_EXPORTED))


@contextmanager
def client() -> Iterator[Any]:
    """W&B's package, kept from the network, from what a user set for it, and from other folders."""
    before, raises = dict(os.environ), logging.raiseExceptions
    logging.raiseExceptions = False  # its log is not what is exported, nor worth a traceback
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {f"WANDB_{name}_DIR": scratch for name in SCRATCH_VARIABLES}
        os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
        try:
            package = importlib.import_module("wandb")
            try:
                yield package
            finally:
                package.teardown()
        finally:
            os.environ.clear()
            os.environ.update(before)
            logging.raiseExceptions = raises


class WandbRuns:
    """The exported runs of an experiment.

    Args:
        experiment: whose.
        package: of `client`.
        trust: whether the user has asked for the classes that its specs name to be imported.

    Attributes:
        folder: where they are.
        left_out: why the metrics of updates are; "" where none are.
    """

    def __init__(self, experiment: Experiment, package: Any, trust: Trust = Trust.READ) -> None:
        self.left_out = ""
        self._trust = trust
        self.folder = experiment.root / "logs" / "wandb"
        self._experiment = experiment
        self._package = package

    def write(self, run: Run) -> bool:
        """Write a run, in place of what was exported of it before.

        Returns:
            whether it was written, because no equal one was there.

        Raises:
            StorageError: it could not be written.
        """
        try:
            return self._write(run)
        except OSError as error:
            if isinstance(error, NthrunError):
                raise
            raise storage_error(self.folder, error) from error

    def _write(self, run: Run) -> bool:
        name = f"{self._experiment.manifest.fingerprint[:8]}-{run['stage']}-{run['index']}"
        parts = self._config(run), sorted(self.rows(run).items()), _summary(run)
        content = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        earlier = list(paths_in(self.folder, "offline-run-", f"-{name}"))
        if [_content(directory) for directory in earlier] == [content]:
            return False
        for directory in earlier:
            if directory.is_symlink():  # what it leads to is not ours to delete
                directory.unlink()
            else:
                shutil.rmtree(directory)
        directory = self._written(run, name, *parts)
        (directory / CONTENT_FILE).write_text(json.dumps(content))
        return True

    def _written(
        self, run: Run, name: str, config: Json, rows: Iterable[Row], summary: Json
    ) -> Path:
        """The directory of a run that the client has just written."""
        self.folder.mkdir(parents=True, exist_ok=True)  # else the client writes elsewhere
        stage = f", stage {run['stage']}" if run["stage"] else ""
        writer = self._package.init(
            mode="offline",
            dir=self.folder.parent,
            id=name,
            project=re.sub(r"[/\\#?%:]", "_", self._experiment.root.name)[:128],
            name=f"index {run['index']}{stage}",
            group=f"setting {run['setting_number']}",
            job_type=f"stage {run['stage']}",
            config=config,
            reinit="finish_previous",
            settings=self._package.Settings(**SETTINGS),
        )
        writer.define_metric("*", step_metric=STEP)
        for step, row in rows:
            writer.log({**row, STEP: step}, step=step)
        writer.summary.update(summary)
        directory = Path(writer.settings.sync_dir)
        writer.finish(exit_code=int(run["status"] == "failed"))
        return directory

    def _config(self, run: Run) -> Json:
        """The hyperparameters, and which run of which experiment it is."""
        manifest = self._experiment.manifest
        return {
            **run["agent_params"],
            "index": run["index"],
            "setting_number": run["setting_number"],
            "run_number": run["run_number"],
            "stage": run["stage"],
            "agent_name": manifest.agent["agent_name"],
            "environment": manifest.environment,
        }

    def rows(self, run: Run) -> dict[int, dict[str, float]]:
        """Training step -> what a record says of it, by the names that docs/logging.md lists."""
        rows: dict[int, dict[str, float]] = {}
        total = self._experiment.manifest.environment["total_timesteps"]
        episodes = {
            "train/return": run["train_episode_rewards"],
            "train/length": run["train_episode_steps"],
        }
        ends = run.get(EPISODE_ENDS, np.cumsum(run["train_episode_steps"]))
        _add(rows, ends, episodes, Thinning(total, MAX_EPISODES))
        if run["timesteps_at_eval"].size:
            evaluations = {"eval/return": run["eval_episode_rewards"].mean(1)}
            for name, values in run.get("eval_metrics", {}).items():
                evaluations[f"eval_metrics/{name}"] = values
            _add(rows, run["timesteps_at_eval"], evaluations, Thinning(total, total))
        updates = {f"metrics/{name}": values for name, values in run.get("metrics", {}).items()}
        steps = self._known_update_steps(run) if updates else None
        if steps is not None:
            _add(rows, steps, updates, Thinning(total, MAX_UPDATES))
        return rows

    def _known_update_steps(self, run: Run) -> np.ndarray | None:
        """The training steps that the agent updated after; None, and the reason in `left_out`,
        where that cannot be told."""
        if self._spec is None:
            return None
        problem = "the steps at which it learns cannot be told"
        try:
            with failing_as(NthrunError, problem, self._spec.programs()):
                return self._update_steps(run, self._spec)
        except NthrunError as error:
            self.left_out = error.lines()[0]
            return None

    def _update_steps(self, run: Run, experiment: ExperimentSpec) -> np.ndarray:
        """The same, as many as a record has metrics of."""
        spec = experiment.agent
        setting = spec.as_setting(run["agent_params"])
        num_worlds = spec.declaration.num_worlds(setting)
        steps: Iterable[int] = range(run["total_timesteps"] // num_worlds)
        if not spec.declaration.solves:
            statics = {name: setting[name] for name in spec.declaration.static_names()}
            interface = experiment.environment.interface
            updates = updates_of(load_program(spec.declaration.program)(statics, interface))
            steps = chain.from_iterable(repeat(step, updates.after(step)) for step in steps)
        count = max(map(len, run["metrics"].values()))
        return np.array([(step + 1) * num_worlds for step in islice(steps, count)])

    @cached_property
    def _spec(self) -> ExperimentSpec | None:
        """The specs; None where they cannot be read without running what they name."""
        manifest = self._experiment.manifest
        specs = {"environment": manifest.environment, "agent": manifest.agent}
        try:
            return recorded_spec(specs, str(self._experiment.root), self._trust)
        except NthrunError as error:
            self.left_out = error.lines()[0]
            return None


def _content(directory: Path) -> str:
    """The hash of what an exported run was written from; "" of one that is not whole."""
    try:
        return str(read_document(directory / CONTENT_FILE, Text(), "a hash"))
    except DataFileError:
        return ""


def _add(
    rows: dict[int, dict[str, float]],
    steps: np.ndarray,
    series: Mapping[str, np.ndarray],
    thinning: Thinning,
) -> None:
    """Add series of numbers along some rising steps, thinned; of equal steps the last counts."""
    last = np.append(np.flatnonzero(np.diff(steps)), len(steps) - 1) if len(steps) else ()
    for place in last:
        if thinning.takes(step := int(steps[place])):
            row = rows.setdefault(step, {})
            row.update({name: float(values[place]) for name, values in series.items()})


def _summary(run: Run) -> Json:
    """What a table of runs shows beside the last value of every series."""
    return {name: run[name] for name in ("status", "reason", "total_timesteps", "train_time")}
