"""Settings and their scores as trials of Optuna's, and what its fANOVA makes of them.

The importance of a hyperparameter is the share of the variance of the settings' mean scores, over
the space that their values span, that it explains by itself, as a forest of regression trees shows
(Hutter, Hoos and Leyton-Brown, 2014, "An Efficient Approach for Assessing Hyperparameter
Importance").
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from nthrun.analysis.hyperparameters import Setting, is_number, plain_text, varying_values
from nthrun.analysis.scores import Scores

LOG_RATIO = 50.0
"""Positive numbers whose largest is so many times the least lie on a logarithmic axis."""
PACKAGES = ("optuna", "sklearn")
"""What tells importances."""
LEAST_SETTINGS = 4
"""Settings that were not lost, of fewer of which nothing is said."""
MOST_SETTINGS = 2000
"""Settings, of more of which some are drawn, so that it takes seconds."""

Trial = tuple[Setting, dict[str, Any], float | None]
"""The setting, what else is known of it, and its score; None where it was lost."""


def _told_trials(scores: Scores) -> Iterator[Trial]:
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


def optuna_trials(package: Any, scores: Scores) -> list[Any]:
    """Settings as trials of Optuna's, in the order of their numbers; none where none differ.

    A trial's value is the mean score of the runs; one with a run that was lost has failed.

    Args:
        package: Optuna.
        scores: of an experiment.
    """
    trials = list(_told_trials(scores))
    values = varying_values(setting for setting, _, _ in trials)
    distributions = {n: _distribution(package, v) for n, v in values.items()}
    return [_trial(package, trial, distributions) for trial in trials] if values else []


def importances(scores: Scores) -> Mapping[str, float]:
    """Hyperparameter -> its importance, the greatest first.

    Returns:
        nothing where what tells them is not installed, or the settings do not.
    """
    if any(find_spec(name) is None for name in PACKAGES):
        return {}
    package = importlib.import_module("optuna")
    completed = package.trial.TrialState.COMPLETE
    trials = [trial for trial in optuna_trials(package, scores) if trial.state == completed]
    if len({trial.value for trial in trials}) < 2 or len(trials) < LEAST_SETTINGS:
        return {}
    if len(trials) > MOST_SETTINGS:
        drawn = np.random.default_rng(0).choice(len(trials), MOST_SETTINGS, replace=False)
        trials = [trials[place] for place in sorted(drawn.tolist())]
    verbosity = package.logging.get_verbosity()
    package.logging.set_verbosity(package.logging.ERROR)
    try:
        study = package.create_study()
        study.add_trials(trials)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of hyperparameters that not all settings have
            evaluator = package.importance.FanovaImportanceEvaluator(seed=0)
            found: Mapping[str, float] = package.importance.get_param_importances(
                study, evaluator=evaluator, normalize=False
            )
    finally:
        package.logging.set_verbosity(verbosity)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def importance_text(scores: Scores) -> str:
    """The importances in a line; "" where they are not known."""
    found = importances(scores)
    shares = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    said = f"share of the variance over settings that each explains alone (fANOVA): {shares}"
    return said if found else ""


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
