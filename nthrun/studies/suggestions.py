"""Suggestions of settings by Optuna, from the trials of the journal and nothing else.

A study is built anew for every suggestion: a sampler is a function of the trials it is shown, and
the journal holds them all. So nothing depends on which process asks, or on files of Optuna's.
Optuna hands the state of CMA-ES over pickled; no file may hold code, so it is kept as plain data.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.errors import IndexSpecError, MissingExtraError
from nthrun.specs.field import RejectedError, plain
from nthrun.specs.search.points import point_function
from nthrun.specs.search.search_spec import GOALS, SearchSpec
from nthrun.specs.search.space import Range, Space, split
from nthrun.specs.search.sweeps import drawn
from nthrun.studies.journal import Trial

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
        suggestion = _sampled(search, space, list(trials), number)
    except RejectedError as rejected:
        raise IndexSpecError(f"setting {number}: {rejected.problem}", rejected.hint) from None
    if suggestion is not None:
        return suggestion
    points = point_function("random", len(space.varying), search.integer("seed"))
    return drawn(space, points, number), {}


def _sampled(
    search: SearchSpec, space: Space, known: Sequence[Trial], number: int
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The first allowed one of a sampler's suggestions; None where it finds none.

    Those that are not allowed stay as running ones, near which a sampler suggests no others.
    """
    with _quiet() as optuna:
        sampler = _sampler(optuna, search, number)
        study = optuna.create_study(direction=search.goal, sampler=sampler)
        try:
            for trial in _optuna_trials(optuna, space, known, search.goal):
                study.add_trial(trial)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            problem = "the journal's trials are none of this search"
            raise RejectedError(problem, "restore search/journal, or move it away") from error
        for _ in range(MAX_ATTEMPTS):
            setting = _setting_of(space, study.ask())
            if space.allows(setting):
                return setting, attributes_as_data(
                    study.get_trials(deepcopy=False)[-1].system_attrs
                )
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


def _optuna_trials(optuna: Any, space: Space, trials: Iterable[Trial], goal: str) -> Iterator[Any]:
    """The trials as Optuna has them.

    A setting that diverged counts as one that did as badly as the worst; it must not look untried.
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
            system_attrs=data_as_attributes(trial.attributes),
            intermediate_values={step: sign * v for step, v in trial.reports.items()},
        )


def _setting_of(space: Space, trial: Any) -> dict[str, Any]:
    """The setting that a trial of Optuna's suggests, without asking for what does not count."""
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
        elif not values.is_even:
            setting[key] = values.at(trial.suggest_float(key, 0.0, 1.0))
        else:
            log = values.kind == "loguniform"
            suggested = trial.suggest_float(key, values.low, values.high, log=log)
            setting[key] = values.rounded(suggested)
    return space.resolved(setting)


def _in_order(space: Space) -> list[str]:
    """The varying keys, those that conditions look at before those that they are on."""
    remaining = list(space.varying)
    ordered: list[str] = []
    while remaining:
        waiting = {name for key in remaining for name in key.split("/")}
        ready = [
            key
            for key in remaining
            if key not in space.conditions or waiting.isdisjoint(space.conditions[key].names)
        ]
        ordered += ready or remaining  # conditions in a circle go by the first values
        remaining = [key for key in remaining if key not in ordered]
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
        elif not values.is_even:
            params[key] = values.share_of(setting[key])
            distributions[key] = kinds.FloatDistribution(0.0, 1.0)
        else:
            params[key] = setting[key]
            log = values.kind == "loguniform"
            distributions[key] = kinds.FloatDistribution(values.low, values.high, log=log)
    return params, distributions


OPTIMIZER = "cma:optimizer"
"""Optuna's name of a state, and with `:0`, `:1`, … behind it of the parts of its pickle."""


def attributes_as_data(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that Optuna has just given a trial, as JSON can have them."""
    parts = {name for name in attributes if name.startswith(f"{OPTIMIZER}:")}
    data = {name: value for name, value in attributes.items() if name not in parts}
    if parts:
        text = "".join(attributes[f"{OPTIMIZER}:{part}"] for part in range(len(parts)))
        state = pickle.loads(bytes.fromhex(text)).__getstate__()
        data[OPTIMIZER] = {name: _array_as_data(value) for name, value in state.items()}
    return data


def data_as_attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `attributes_as_data` gave, as Optuna wants it back; a pickle is left out, unread."""
    attributes = {n: v for n, v in data.items() if not n.startswith(f"{OPTIMIZER}:")}
    if OPTIMIZER in attributes:
        import cmaes  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

        optimizer = cmaes.CMA.__new__(cmaes.CMA)
        state = attributes.pop(OPTIMIZER)
        optimizer.__setstate__({name: _data_as_array(value) for name, value in state.items()})
        attributes[f"{OPTIMIZER}:0"] = pickle.dumps(optimizer).hex()
    return attributes


def _array_as_data(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "shape": value.shape, "type": value.dtype.str}
    return value.item() if isinstance(value, np.generic) else value


def _data_as_array(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["array"], value["type"]).reshape(value["shape"])
    return value
