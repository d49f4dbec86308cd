"""What does not go together in a search: its method, its parameters, its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nthrun.errors import Fault
from nthrun.specs.documents import Document
from nthrun.specs.field import Field
from nthrun.specs.search.ranges import Range, Values
from nthrun.specs.search.search_spec import CONDITIONS, DRAWN, LISTED, SETTINGS, SearchSpec
from nthrun.specs.search.space import names_of


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

    def fault(key: str, problem: str, hint: str = "") -> Fault:
        return Fault(document.origin(key), key, problem, hint)

    for key, values in parameters.items():
        if isinstance(values, Range) and not search.draws:
            yield fault(
                f"parameters.{key}",
                f"a range ({values}) cannot be enumerated by method {search.method}",
                f'list values, or add "search": {{"method": "{DRAWN[0]}", "capacity": 1000}}',
            )
        elif search.method == SETTINGS and not isinstance(values, Range) and len(values) > 1:
            yield fault(
                f"parameters.{key}",
                f"got {len(values)} values, allowed: one, as method settings lists the settings",
                "name it in each of the settings instead",
            )
    for name in _listed_twice(search, parameters):
        yield fault(f"search.{LISTED}", f"{name} is named in parameters too", "keep one of them")
    for name in search.conditions:
        key = f"search.{CONDITIONS}.{name}"
        if name not in parameters:
            coupled = name in names_of(parameters)
            yield fault(key, "is coupled" if coupled else "is not among the parameters")
        elif fields[name].default is None:
            yield fault(key, "has no default to take where it does not count")


def _listed_twice(search: SearchSpec, parameters: Mapping[str, Values]) -> list[str]:
    listed = {name for setting in search.settings for name in setting}
    return sorted(listed.intersection(names_of(parameters)))
