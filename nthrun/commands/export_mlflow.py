"""`nthrun export mlflow`: records as the runs of an MLflow database, for its interface.

MLflow's own client writes the database, in a process that is told to send nothing. (Its older
store of plain files is no longer opened by it unless a variable allows that.)
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.exported_rows import (
    NOT_EXPORTED,
    ExportedRows,
    run_name,
    sqlite_address,
    summary,
)
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.options import Command, debug_option, trust_option
from nthrun.errors import DataFileError, NthrunError, described, require_extra
from nthrun.records.data import Data
from nthrun.records.durable_file import ensure_directory, storage_error, write_durably
from nthrun.records.experiment import Experiment, open_experiment
from nthrun.records.listing import require_inside
from nthrun.records.schema import Run
from nthrun.specs.field import plain
from nthrun.specs.trust import Trust
from nthrun.terminal import note, show

FILE = Path("logs", "mlflow.db")
"""The database, in an experiment's directory."""
STATUSES = {"completed": "FINISHED", "pruned": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
"""Status of a record -> of a run of MLflow's."""
FOREIGN = re.compile(r"[^\w/:. -]", re.ASCII)
"""Characters that names may not have there."""
MAX_METRICS, MAX_PARAMS = 1000, 100
"""Of a call."""
MAX_NAME, MAX_PARAM, MAX_TAG = 250, 6000, 5000
"""Characters of a name, of a parameter's value and of a tag's."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Variables by which the client sends nothing."""


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@trust_option
@debug_option
def mlflow(directory: str, trust: bool, debug: bool) -> int:
    """Write what the experiment directory DIR has recorded as runs of MLflow.

    They are in DIR/logs/mlflow.db, for `mlflow ui --backend-store-uri sqlite:///DIR/logs/mlflow.db`;
    nothing is sent from here. A run has its hyperparameters, its episodes, evaluations and metrics
    at their training steps, and which run it is as tags; its times are those of this export. What
    was exported before is replaced. The metrics of updates of an agent class of your own are left
    out without --trust, as only the class knows at which steps it learns.
    """
    experiment = open_experiment(data_path(directory))
    require_inside(experiment.root)
    for package in ("mlflow", "sqlalchemy", "alembic"):
        require_extra(package, "export mlflow", "mlflow")
    shown = ExportedRows(experiment, Trust.USER if trust else Trust.READ)
    labelled = open_labelled([experiment.root])
    path = experiment.root / FILE
    number, code = act_on_readable(labelled, lambda read: _write(path, shown, experiment, read))
    if shown.left_out:
        note(f"metrics of updates are left out: {shown.left_out}")
    show(f"{path}: {number} run{'s' * (number != 1)}")
    return code


def _write(
    path: Path,
    shown: ExportedRows,
    experiment: Experiment,
    labelled: Sequence[tuple[str, Data]],
) -> int:
    """Write the database, all or nothing; returns how many runs it has.

    Raises:
        NthrunError: the client refuses what it is to write.
        StorageError: it cannot be written.
    """
    [(_, data)] = labelled
    entries = {entry.identity: entry for entry in reversed(data.entries)}
    with tempfile.TemporaryDirectory() as folder, _client(Path(folder) / FILE.name) as client:
        [name] = _names([experiment.root.resolve().name]).values()
        artifacts = (experiment.root / "artifacts").resolve().as_uri()
        with _refusing():
            number = client.create_experiment(name, artifact_location=artifacts)
        for _, entry in sorted(entries.items()):
            _write_run(client, number, shown, entry.load(NOT_EXPORTED))
        _close(client)
        try:
            ensure_directory(path.parent)
            with open(Path(folder) / FILE.name, "rb") as written:
                write_durably(path, lambda file: shutil.copyfileobj(written, file))
        except OSError as error:
            if isinstance(error, NthrunError):
                raise
            raise storage_error(path, error) from error
    return len(entries)


@contextmanager
def _client(path: Path) -> Iterator[Any]:
    """MLflow's client of a new database, which says nothing and sends nothing.

    Raises:
        DataFileError: it cannot be made.
    """
    before, level = dict(os.environ), logging.root.manager.disable
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ.update(QUIET)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _refusing():
                package = importlib.import_module("mlflow")
                client = package.MlflowClient(tracking_uri=sqlite_address(path))
            yield client
    finally:
        logging.disable(level)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _refusing() -> Iterator[None]:
    """Calls of the client.

    Raises:
        DataFileError: it refuses one, or fails.
        OSError: the system does.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # whatever the client raises
        raise DataFileError(f"export mlflow: {described(error)[:200]}") from error


def _close(client: Any) -> None:
    """Have everything of a database in its one file."""
    store = client._tracking_client.store
    if engine := getattr(store, "engine", None):
        engine.dispose()


def _write_run(client: Any, experiment: str, shown: ExportedRows, run: Run) -> None:
    """Write one run."""
    config, rows = dict(shown.config(run)), sorted(shown.rows(run).items())
    params = {name: config.pop(name) for name in run["agent_params"]}
    tags = {**config, **summary(run)}
    end = round(time.time() * 1000)
    begin = end - round(1000 * float(run["train_time"]))
    measured = _names(dict.fromkeys(name for _, row in rows for name in row))
    texts = {name: _text(params[own])[:MAX_PARAM] for own, name in _names(params).items()}
    tag_texts = {name: _text(tags[own])[:MAX_TAG] for own, name in _names(tags).items()}
    with _refusing():
        entities = importlib.import_module("mlflow.entities")
        made = client.create_run(experiment, start_time=begin, run_name=run_name(run)).info.run_id
        metrics = [
            entities.Metric(measured[name], value, begin, step)
            for step, row in rows
            for name, value in row.items()
        ]
        told = [entities.Param(*pair) for pair in texts.items()]
        for first in range(0, len(metrics), MAX_METRICS):
            client.log_batch(made, metrics=metrics[first : first + MAX_METRICS])
        for first in range(0, len(told), MAX_PARAMS):
            client.log_batch(made, params=told[first : first + MAX_PARAMS])
        client.log_batch(made, tags=[entities.RunTag(*pair) for pair in tag_texts.items()])
        client.set_terminated(made, STATUSES[run["status"]], end)


def _names(names: Collection[str]) -> dict[str, str]:
    """Names -> these as MLflow takes them, numbered where that makes several the same."""
    known: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: FOREIGN.search(name) is not None):
        plain_name = told = FOREIGN.sub("_", name)[:MAX_NAME]
        number = 1
        while told in taken:
            number += 1
            told = f"{plain_name[: MAX_NAME - len(str(number)) - 1]}_{number}"
        taken.add(told)
        known[name] = told
    return known


def _text(value: Any) -> str:
    """A value as the text of a parameter."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value)) if isinstance(value, Mapping | list | tuple) else str(value)
