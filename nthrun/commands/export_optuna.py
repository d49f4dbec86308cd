"""`nthrun export optuna`: settings and their scores as a study of Optuna's, for its dashboard."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from nthrun.analysis.hyperparameters import Setting, is_number, plain_text, varying_values
from nthrun.analysis.score_options import DIRECTION, LAST, METRIC
from nthrun.analysis.scores import Scores, read_scores
from nthrun.commands.experiment_paths import data_path
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
LOG_RATIO = 50.0
"""Positive numbers whose largest is so many times the least lie on a logarithmic axis."""


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
    trials = list(_trials(scores))
    _write(root / FILE, root.resolve().name, scores, trials)
    show(f"{root / FILE}: {len(trials)} trial{'s' * (len(trials) != 1)}")
    return code


Trial = tuple[Setting, dict[str, Any], float | None]
"""The setting, what else is known of it, and its score; None where it was lost."""


def _trials(scores: Scores) -> Iterator[Trial]:
    """What is to be told of each setting, in the order of their numbers."""
    for number, setting in sorted(scores.parameters.items()):
        runs = scores.settings == number
        values, lost = scores.values[runs], int(scores.lost[runs].sum())
        known = {
            "setting_number": number,
            "runs": int(runs.sum()),
            "lost": lost,
            "scores": [None if np.isnan(value) else value for value in values.tolist()],
        }
        yield setting, known, None if lost else float(values.mean())


def _write(path: Path, name: str, scores: Scores, trials: Sequence[Trial]) -> None:
    """Write the study, all or nothing.

    Raises:
        NthrunError: settings do not differ.
        StorageError: it cannot be written.
    """
    package = importlib.import_module("optuna")
    values = varying_values(setting for setting, _, _ in trials)
    if not values:
        raise NthrunError("there is one setting, of which there is nothing to compare")
    distributions = {n: _distribution(package, v) for n, v in values.items()}
    temporary = temporary_path(path)
    verbosity = package.logging.get_verbosity()
    package.logging.set_verbosity(package.logging.ERROR)
    try:
        ensure_directory(path.parent)
        address = importlib.import_module("sqlalchemy").URL.create(
            "sqlite", database=str(temporary)
        )
        storage = package.storages.RDBStorage(address.render_as_string())
        direction = GOALS[0] if scores.higher_is_better else GOALS[1]
        study = package.create_study(storage=storage, study_name=name, direction=direction)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that both are experimental
            study.set_metric_names([scores.metric])
            study.add_trials([_trial(package, trial, distributions) for trial in trials])
        storage.engine.dispose()
        os.replace(temporary, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        package.logging.set_verbosity(verbosity)
        temporary.unlink(missing_ok=True)


def _distribution(package: Any, values: Sequence[Any]) -> Any:
    """What the values of a hyperparameter are drawn from, as far as those that were show it."""
    kinds = package.distributions
    if not all(map(is_number, values)):
        return kinds.CategoricalDistribution([_choice(value) for value in values])
    least, most = min(values), max(values)
    log = bool(least > 0 and most / least >= LOG_RATIO)
    if all(isinstance(value, int) for value in values):
        return kinds.IntDistribution(least, most, log=log)
    return kinds.FloatDistribution(float(least), float(most), log=log)


def _choice(value: Any) -> Any:
    """A value as Optuna's choices may be: a list as its JSON."""
    return (
        value if value is None or isinstance(value, (bool, int, float, str)) else plain_text(value)
    )


def _trial(package: Any, trial: Trial, distributions: dict[str, Any]) -> Any:
    """A trial of Optuna's; a hyperparameter that a setting has not is left out."""
    setting, known, value = trial
    states = package.trial.TrialState
    categorical = package.distributions.CategoricalDistribution
    named = [name for name in distributions if name in setting]
    params = {
        name: _choice(setting[name])
        if isinstance(distributions[name], categorical)
        else setting[name]
        for name in named
    }
    return package.trial.create_trial(
        state=states.FAIL if value is None else states.COMPLETE,
        value=value,
        params=params,
        distributions={name: distributions[name] for name in named},
        user_attrs=known,
    )
