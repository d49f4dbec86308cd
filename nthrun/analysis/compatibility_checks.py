"""Whether experiments can be compared: one metric, one agent, one sweep, settings in all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nthrun.analysis.hyperparameters import SettingKey, distinct_values, value_key
from nthrun.analysis.scores import Scores
from nthrun.errors import DataFileError
from nthrun.records.data import Data


def require_one_sweep(experiments: Sequence[Data]) -> None:
    """Check that experiments are of one agent and sweep the same values, in whatever order.

    Raises:
        DataFileError: they do not, and so have no settings in common to choose among.
    """
    hint = "choose across runs of one agent and one sweep only"
    first = experiments[0]
    for data in experiments[1:]:
        ours, theirs = (each["experiment"]["agent"]["agent_name"] for each in (first, data))
        if ours != theirs:
            problem = f"agent_name: got {theirs!r}, allowed: {ours!r}, as in {first.source}"
            raise DataFileError(f"{data.source}: {problem}", hint)
        _require_equal(first.source, _swept(first), data.source, _swept(data), hint)


def require_one_metric(group: Iterable[Scores]) -> None:
    """Check that scores are of one metric, called the same and better in the same direction.

    Raises:
        DataFileError: they are not: searches of their own metrics, or evaluations in the place of
            training returns.
    """
    first, *others = group
    for scores in others:
        if _measured(scores) != _measured(first):
            raise DataFileError(
                f"{scores.source}: metric: got {_measured(scores)}, allowed: {_measured(first)}, "
                f"as in {first.source}",
                "give a --metric that all of them have, and --direction",
            )


def require_shared(group: Sequence[Scores], shared: Sequence[SettingKey]) -> None:
    """Check that some settings have runs in every experiment.

    Raises:
        DataFileError: none has.
    """
    if shared:
        return
    hint = "give every setting runs in each of the experiments"
    first = group[0]
    for scores in group[1:]:
        _require_equal(first.source, _recorded(first), scores.source, _recorded(scores), hint)
    sources = ", ".join(scores.source for scores in group)
    raise DataFileError(f"{sources}: no setting has runs in all of them", hint)


def lengths_text(lengths: Mapping[str, Sequence[int]], remedy: str) -> str:
    """That runs side by side are of different lengths; empty where they are not.

    Args:
        lengths: name -> the different numbers of steps of its runs, rising.
        remedy: what to do about it.
    """
    if len(set().union(*lengths.values())) < 2:
        return ""
    each = "; ".join(
        f"{name}: {of[0]}" + (f" to {of[-1]}" if len(of) > 1 else "")
        for name, of in lengths.items()
        if of
    )
    return (
        f"runs of different lengths stand side by side, in training steps {each}; their scores are "
        f"not comparable; {remedy}"
    )


def _measured(scores: Scores) -> str:
    """The metric, what an axis calls it, and its direction."""
    better = "maximized" if scores.higher_is_better else "minimized"
    return f"{scores.metric} ({scores.label}), {better}"


def _require_equal(
    first: object,
    ours: Mapping[str, Sequence[Any]],
    second: object,
    theirs: Mapping[str, Sequence[Any]],
    hint: str,
) -> None:
    """Check that two experiments have the same values of each hyperparameter, in whatever order."""
    for name in dict.fromkeys((*ours, *theirs)):
        got, allowed = ({value_key(v): v for v in of.get(name, ())} for of in (theirs, ours))
        if got.keys() != allowed.keys():
            texts = [", ".join(sorted(map(json.dumps, of.values()))) for of in (got, allowed)]
            problem = f"got {texts[0] or 'no values'}, allowed: {texts[1] or 'none'}, as in {first}"
            raise DataFileError(f"{second}: {name}: {problem}", hint)


def _swept(data: Data) -> dict[str, list[Any]]:
    """Hyperparameter -> the values of it that the spec lists, where they are several."""
    parameters = data["experiment"]["agent"]["parameters"]
    settings = (
        {name: value}
        for name, values in parameters.items()
        for value in (values if isinstance(values, list) else [values])
    )
    return {
        name: values
        for name, values in distinct_values(settings).items()
        if len(values) > 1 or isinstance(parameters[name], dict)
    }


def _recorded(scores: Scores) -> dict[str, list[Any]]:
    """Hyperparameter -> the values of it that have runs."""
    return distinct_values(scores.parameters.values())
