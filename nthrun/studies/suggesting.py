"""Suggesting a setting with Optuna, from all that is known and nothing else.

A study is built anew for every suggestion: a sampler is a function of the trials it is shown, and
the journal holds them all. So nothing depends on which process asks, or on files of Optuna's.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.errors import IndexSpecError, MissingExtraError
from nthrun.specs.field import RejectedError, plain
from nthrun.specs.search.points import point_function
from nthrun.specs.search.ranges import Range
from nthrun.specs.search.search_fields import GOALS
from nthrun.specs.search.search_spec import SearchSpec
from nthrun.specs.search.space import Space, split
from nthrun.specs.search.sweeps import drawn
from nthrun.studies.cmaes_state import as_attributes, as_data
from nthrun.studies.trial import Trial

MAX_ATTEMPTS = 30
PACKAGES = {"tpe": ("optuna",), "cmaes": ("optuna", "cmaes"), "gp": ("optuna", "scipy", "torch")}


def require_sampler(search: SearchSpec) -> None:
    """Check that the packages of a search's sampler are installed.

    Raises:
        MissingExtraError: one is not.
    """
    for package in PACKAGES[search.text("sampler")]:
        try:
            importlib.import_module(package)
        except ImportError:
            raise MissingExtraError(
                f"sampler {search.text('sampler')} needs the package {package}, "
                "which is not installed",
                'pip install ".[bayes]"',
            ) from None


def suggest(
    search: SearchSpec, space: Space, trials: Iterable[Trial], number: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The setting to try under a number.

    Args:
        search: says sampler, goal and seed.
        space: that it is from.
        trials: all others, in the order they were suggested; those without a result are running.
        number: of the setting.

    Returns:
        the setting, and what the sampler wants back with it.

    Raises:
        IndexSpecError: nothing satisfies the constraints, or one makes no sense.
    """
    try:
        found = _suggested(search, space, list(trials), number)
    except RejectedError as rejected:
        raise IndexSpecError(f"setting {number}: {rejected.problem}", rejected.hint) from None
    if found is not None:
        return found
    points = point_function("random", len(space.varying), search.integer("seed"))
    return drawn(space, points, number), {}


def _suggested(
    search: SearchSpec, space: Space, known: Sequence[Trial], number: int
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The first allowed one of a sampler's suggestions; None where it finds none.

    Those that are not allowed stay as running ones, near which a sampler suggests no others.
    """
    with _quiet() as optuna:
        sampler = _sampler(optuna, search, number)
        study = optuna.create_study(direction=search.goal, sampler=sampler)
        for trial in _told(optuna, space, known, search.goal):
            study.add_trial(trial)
        for _ in range(MAX_ATTEMPTS):
            setting = _asked(space, study.ask())
            if space.allows(setting):
                return setting, as_data(study.get_trials(deepcopy=False)[-1].system_attrs)
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """Optuna, without what it says of experimental parts and of every trial."""
    import optuna  # noqa: PLC0415 - an extra, and slow to import

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield optuna
    finally:
        optuna.logging.set_verbosity(verbosity)


def _sampler(optuna: Any, search: SearchSpec, number: int) -> Any:
    stream = np.random.SeedSequence(search.integer("seed"), spawn_key=(number,))
    seed = int(stream.generate_state(1)[0])
    match search.text("sampler"):
        case "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _told(optuna: Any, space: Space, trials: Iterable[Trial], goal: str) -> Iterator[Any]:
    """What is known, as trials of Optuna's.

    A setting that diverged is told as one that did as badly as the worst; it must not look
    untried.
    """
    states = optuna.trial.TrialState
    known = list(trials)
    worst_of, sign = (min, 1.0) if goal == GOALS[0] else (max, -1.0)
    worst = worst_of((t.value for t in known if t.value is not None), default=None)
    for trial in known:
        value = worst if trial.status == "diverged" else trial.value
        state = {
            "": states.RUNNING,
            "failed": states.FAIL,
            "pruned": states.PRUNED,
        }.get(trial.status, states.FAIL if value is None else states.COMPLETE)
        params, distributions = _parameters(optuna, space, trial.setting)
        yield optuna.trial.create_trial(
            state=state,
            value=value if state == states.COMPLETE else None,
            params=params,
            distributions=distributions,
            system_attrs=as_attributes(trial.attributes),
            intermediate_values={step: sign * v for step, v in trial.reports.items()},
        )


def _asked(space: Space, trial: Any) -> dict[str, Any]:
    """The setting that a trial of Optuna's suggests; what does not count is not asked for."""
    setting = space.constant.copy()
    for key in _in_order(space):
        if key in space.conditions and not space.conditions[key].holds(setting):
            setting[key] = space.inactive[key]
            continue
        values = space.parameters[key]
        if not isinstance(values, Range):
            setting |= split(key, values[trial.suggest_categorical(key, range(len(values)))])
        elif values.kind == "int":
            setting[key] = trial.suggest_int(key, int(values.low), int(values.high))
        else:
            log = values.kind == "loguniform"
            suggested = trial.suggest_float(key, values.low, values.high, log=log)
            setting[key] = values.rounded(suggested)
    return space.resolved(setting)


def _in_order(space: Space) -> list[str]:
    """The varying keys, those that conditions look at before those that they are on."""
    left = list(space.varying)
    ordered: list[str] = []
    while left:
        waiting = {name for key in left for name in key.split("/")}
        ready = [
            key
            for key in left
            if key not in space.conditions or waiting.isdisjoint(space.conditions[key].names)
        ]
        ordered += ready or left  # conditions in a circle go by the first values
        left = [key for key in left if key not in ordered]
    return ordered


def _parameters(
    optuna: Any, space: Space, setting: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A setting as Optuna's parameters and their distributions, without what does not count."""
    kinds = optuna.distributions
    params: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    for key in space.varying:
        values = space.parameters[key]
        if key in space.conditions and not space.conditions[key].holds(setting):
            continue
        if not isinstance(values, Range):
            choices = [{n: plain(v) for n, v in split(key, value).items()} for value in values]
            params[key] = choices.index({name: setting[name] for name in key.split("/")})
            distributions[key] = kinds.CategoricalDistribution(range(len(values)))
        elif values.kind == "int":
            params[key] = setting[key]
            distributions[key] = kinds.IntDistribution(int(values.low), int(values.high))
        else:
            params[key] = setting[key]
            log = values.kind == "loguniform"
            distributions[key] = kinds.FloatDistribution(values.low, values.high, log=log)
    return params, distributions
