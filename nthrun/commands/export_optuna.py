"""`nthrun export optuna`: settings and their scores as a study of Optuna's, for its dashboard."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path

import click

from nthrun.analysis.optuna_trials import optuna_trials
from nthrun.analysis.score_options import DIRECTION, LAST, METRIC
from nthrun.analysis.scores import Scores, read_scores
from nthrun.commands.experiment_paths import data_path
from nthrun.commands.exported_rows import sqlite_address
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.options import Command, debug_option
from nthrun.errors import NthrunError, require_extra
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.records.listing import require_inside
from nthrun.records.writer import temporary_path
from nthrun.specs.search.search_spec import GOALS
from nthrun.terminal import show

FILE = Path("logs", "optuna.db")
"""The study, in an experiment's directory."""


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@click.option("--metric", **METRIC)
@click.option("--last", **LAST)
@click.option("--direction", **DIRECTION)
@click.option("--stage", type=click.IntRange(0), default=0, show_default=True, help="Whose runs.")
@debug_option
def optuna(
    directory: str,
    metric: str | None,
    last: float,
    direction: str | None,
    stage: int,
    debug: bool,
) -> int:
    """Write the settings of the experiment directory DIR as a study of Optuna's.

    It is DIR/logs/optuna.db, for `optuna-dashboard sqlite:///DIR/logs/optuna.db` and Optuna's
    importances. A trial is a setting: its value is the mean score of its runs, as `best` has it,
    and a setting with a run that was lost has failed. What was exported before is replaced.
    """
    require_extra("optuna", "export optuna", "bayes")
    labelled = open_labelled([data_path(directory)])
    [(_, data)] = labelled
    root = data.source if data.source.is_dir() else data.source.parent
    require_inside(root)
    scores, code = act_on_readable(
        labelled, lambda given: read_scores(given[0][1], metric, last, stage, direction)
    )
    number = _write(root / FILE, root.resolve().name, scores)
    show(f"{root / FILE}: {number} trials")
    return code


def _write(path: Path, name: str, scores: Scores) -> int:
    """Write the study, all or nothing; returns how many trials it has.

    Raises:
        NthrunError: settings do not differ.
        StorageError: it cannot be written.
    """
    package = importlib.import_module("optuna")
    trials = optuna_trials(package, scores)
    if not trials:
        raise NthrunError("there is one setting, of which there is nothing to compare")
    temporary = temporary_path(path)
    verbosity = package.logging.get_verbosity()
    package.logging.set_verbosity(package.logging.ERROR)
    try:
        ensure_directory(path.parent)
        storage = package.storages.RDBStorage(sqlite_address(temporary))
        direction = GOALS[0] if scores.higher_is_better else GOALS[1]
        study = package.create_study(storage=storage, study_name=name, direction=direction)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that both are experimental
            study.set_metric_names([scores.metric])
            study.add_trials(trials)
        storage.engine.dispose()
        os.replace(temporary, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        package.logging.set_verbosity(verbosity)
        temporary.unlink(missing_ok=True)
    return len(trials)
