"""What does not go together in a search: its method, its parameters, its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nthrun.errors import Fault
from nthrun.specs.documents import Document
from nthrun.specs.field import Field
from nthrun.specs.search.ranges import Range, Values
from nthrun.specs.search.search_fields import CONDITIONS, DRAWN, LISTED, SETTINGS
from nthrun.specs.search.search_spec import SearchSpec
from nthrun.specs.search.space import names_of

_Found = Iterator[tuple[str, str, str]]
"""(key, problem, hint) of each fault."""


def search_faults(
    search: SearchSpec,
    parameters: Mapping[str, Values],
    fields: Mapping[str, Field],
    document: Document,
) -> Iterator[Fault]:
    """Every fault of a search beside its parameters.

    Args:
        search: as read.
        parameters: the keys and what they take.
        fields: the hyperparameters there are.
        document: that they are from.
    """
    for found in (
        _range_faults(search, parameters),
        _listed_faults(search, parameters, fields),
        _condition_faults(search, parameters, fields),
    ):
        for key, problem, hint in found:
            yield Fault(document.origin(key), key, problem, hint)


def _range_faults(search: SearchSpec, parameters: Mapping[str, Values]) -> _Found:
    """Ranges that nothing is drawn from."""
    for key, values in parameters.items():
        if isinstance(values, Range) and not search.draws:
            yield (
                f"parameters.{key}",
                f"a range ({values}) cannot be enumerated by method {search.method}",
                f'list values, or add "search": {{"method": "{DRAWN[0]}", "capacity": 1000}}',
            )


def _listed_faults(
    search: SearchSpec, parameters: Mapping[str, Values], fields: Mapping[str, Field]
) -> _Found:
    """What is wrong with settings listed one by one, and with parameters beside them."""
    if search.method != SETTINGS:
        return
    if not search.settings:
        yield f"search.{LISTED}", "got an empty list, allowed: at least one setting", ""
    for key, values in parameters.items():
        if not isinstance(values, Range) and len(values) > 1:
            yield (
                f"parameters.{key}",
                f"got {len(values)} values, allowed: one, as method settings lists the settings",
                "name it in each of the settings instead",
            )
    listed = {name for setting in search.settings for name in setting}
    for name in sorted(listed.intersection(names_of(parameters))):
        yield f"search.{LISTED}", f"{name} is named in parameters too", "keep one of them"
    for number, setting in enumerate(search.settings):
        for name in sorted(listed - setting.keys()):
            if fields[name].default is None:
                yield f"search.{LISTED}[{number}]", f"{name} is missing, and has no default", ""


def _condition_faults(
    search: SearchSpec, parameters: Mapping[str, Values], fields: Mapping[str, Field]
) -> _Found:
    """Conditions on what cannot have one, and out of order."""
    undecided = list(search.conditions)
    for name, condition in search.conditions.items():
        key = f"search.{CONDITIONS}.{name}"
        if name not in parameters:
            coupled = name in names_of(parameters)
            yield key, "is coupled" if coupled else "is not among the parameters", ""
        elif fields[name].default is None:
            yield key, "has no default to take where it does not count", ""
        for other in sorted(set(condition.names).intersection(undecided)):
            yield (
                key,
                f"looks at {other}, of which is not known yet whether it counts",
                "write a condition above those that look at its hyperparameter",
            )
        undecided.remove(name)
