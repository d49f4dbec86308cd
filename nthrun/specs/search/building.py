"""From a search and its space to settings by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from nthrun.specs.search.filtered import filtered_sweep
from nthrun.specs.search.points import PointMethod, point_function
from nthrun.specs.search.ranges import Range
from nthrun.specs.search.search_fields import BAYES, SETTINGS
from nthrun.specs.search.search_spec import SearchSpec
from nthrun.specs.search.space import Space
from nthrun.specs.search.suggested import SuggestedSweep
from nthrun.specs.search.sweeps import DrawnSweep, ListedSweep
from nthrun.specs.sweep import GridSweep, Sweep


def make_sweep(
    search: SearchSpec, space: Space, suggested: Mapping[int, Mapping[str, Any]]
) -> Sweep:
    """The settings that a search finds in a space.

    Args:
        search: how.
        space: in what.
        suggested: setting number -> setting, of those that the search has suggested so far.

    Raises:
        RejectedError: there are too many to enumerate, or none.
    """
    if search.is_plain:
        lists = {key: v for key, v in space.parameters.items() if not isinstance(v, Range)}
        return GridSweep(lists, space.defaults)
    if search.method == SETTINGS:
        shared = {**space.constant, **space.inactive}
        return ListedSweep(tuple({**shared, **setting} for setting in search.settings))
    if not search.draws:
        return filtered_sweep(space)
    capacity, seed = search.integer("capacity"), search.integer("seed")
    if search.method == BAYES:
        return SuggestedSweep(space, capacity, seed, suggested)
    method = cast(PointMethod, search.method)
    return DrawnSweep(space, point_function(method, len(space.varying), seed), capacity)
