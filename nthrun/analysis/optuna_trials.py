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
from typing import Any

import numpy as np

from nthrun.analysis.hyperparameters import Setting, is_number, plain_text, varying_values
from nthrun.analysis.scores import Scores
from nthrun.errors import MissingExtraError, described, require_extra

LOG_RATIO = 50.0
"""Positive numbers whose largest is so many times the least lie on a logarithmic axis."""
IMPORTANCE = "--importance"
"""The option of commands by which importances are asked for."""
LEAST_SETTINGS = 4
"""Settings that were not lost, of fewer of which nothing is known."""
MOST_SETTINGS = 200
"""Settings, of more of which so many are drawn, which take some seconds."""

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
    return _trials(package, list(_told_trials(scores)))


def _trials(package: Any, trials: Sequence[Trial]) -> list[Any]:
    """Trials as Optuna's, of the hyperparameters that they differ in; none where there are none."""
    values = varying_values(setting for setting, _, _ in trials)
    distributions = {n: _distribution(package, v) for n, v in values.items()}
    return [_trial(package, trial, distributions) for trial in trials] if values else []


def require_importances() -> None:
    """Check that importances can be told here.

    Raises:
        MissingExtraError: what tells them is not installed, or cannot be imported.
    """
    for name in ("optuna", "sklearn"):
        require_extra(name, IMPORTANCE, "importance")
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a broken installation raises
            raise MissingExtraError(
                f"{IMPORTANCE}: the package {name} cannot be imported ({described(error)[:100]})",
                'install it anew, as with pip install --force-reinstall ".[importance]"',
            ) from error


def importances(scores: Scores) -> Mapping[str, float]:
    """Hyperparameter -> its importance, the greatest first.

    Only settings without a run that was lost tell it, and of these at most `MOST_SETTINGS`, always
    the same ones.

    Returns:
        nothing where these settings do not tell it.

    Raises:
        MissingExtraError: as `require_importances`.
    """
    require_importances()
    told = [trial for trial in _told_trials(scores) if trial[2] is not None]
    if len(told) > MOST_SETTINGS:
        drawn = np.random.default_rng(0).choice(len(told), MOST_SETTINGS, replace=False)
        told = [told[place] for place in sorted(drawn.tolist())]
    package = importlib.import_module("optuna")
    trials = _trials(package, told)
    if len({trial.value for trial in trials}) < 2 or len(trials) < LEAST_SETTINGS:
        return {}
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
    except (ArithmeticError, RuntimeError, ValueError):  # such as of scores that hardly differ
        return {}
    finally:
        package.logging.set_verbosity(verbosity)
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def importance_text(scores: Scores) -> str:
    """The importances in a line, or that they are not known.

    Raises:
        MissingExtraError: as `require_importances`.
    """
    if found := importances(scores):
        shares = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        return f"share of the variance over settings that each explains alone (fANOVA): {shares}"
    return (
        f"importances are not known: fewer than {LEAST_SETTINGS} settings without a lost run, "
        "or scores that hardly differ"
    )


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
