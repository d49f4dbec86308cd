"""`python -m nthrun export`: records as runs of the packages that others look at them with.

`export optuna`, `export mlflow` and `export torchscript` are in files of their own.

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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.export_mlflow import mlflow
from nthrun.commands.export_optuna import optuna
from nthrun.commands.export_torchscript import torchscript
from nthrun.commands.exported_rows import NOT_EXPORTED, ExportedRows, Json, run_name, summary
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.options import Command, debug_option, trust_option
from nthrun.errors import DataFileError, NthrunError, require_extra
from nthrun.files.document import read_document
from nthrun.files.forms import Text
from nthrun.records.data import Data
from nthrun.records.durable_file import storage_error
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.listing import paths_in, require_inside
from nthrun.records.schema import Identity, Run
from nthrun.specs.trust import Trust
from nthrun.terminal import note, show
from nthrun.training.logged_points import Row

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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def export() -> None:
    """Write records as another package has them: runs, studies, policies."""


for command in (mlflow, optuna, torchscript):
    export.add_command(command)


@export.command(cls=Command)
@click.argument("directory", metavar="DIR")
@trust_option
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
    if exported.shown.left_out:
        note(f"metrics of updates are left out: {exported.shown.left_out}")
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
        shown: what their records say.
    """

    def __init__(self, experiment: Experiment, package: Any, trust: Trust = Trust.READ) -> None:
        self.shown = ExportedRows(experiment, trust)
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
        parts = self.shown.config(run), sorted(self.shown.rows(run).items()), summary(run)
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

    def _written(self, run: Run, name: str, config: Json, rows: Iterable[Row], last: Json) -> Path:
        """The directory of a run that the client has just written."""
        self.folder.mkdir(parents=True, exist_ok=True)  # else the client writes elsewhere
        writer = self._package.init(
            mode="offline",
            dir=self.folder.parent,
            id=name,
            project=re.sub(r"[/\\#?%:]", "_", self._experiment.root.name)[:128],
            name=run_name(run),
            group=f"setting {run['setting_number']}",
            job_type=f"stage {run['stage']}",
            config=config,
            reinit="finish_previous",
            settings=self._package.Settings(**SETTINGS),
        )
        writer.define_metric("*", step_metric=STEP)
        for step, row in rows:
            writer.log({**row, STEP: step}, step=step)
        writer.summary.update(last)
        directory = Path(writer.settings.sync_dir)
        writer.finish(exit_code=int(run["status"] == "failed"))
        return directory


def _content(directory: Path) -> str:
    """The hash of what an exported run was written from; "" of one that is not whole."""
    try:
        return str(read_document(directory / CONTENT_FILE, Text(), "a hash"))
    except DataFileError:
        return ""
