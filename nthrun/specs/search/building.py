"""From a search and its space to settings by number."""

from __future__ import annotations

from typing import cast

from nthrun.specs.search.filtered import filtered_sweep
from nthrun.specs.search.points import PointMethod, point_function
from nthrun.specs.search.ranges import Range
from nthrun.specs.search.search_spec import BAYES, SETTINGS, SearchSpec
from nthrun.specs.search.space import Space
from nthrun.specs.search.suggested import SuggestedSweep
from nthrun.specs.search.sweeps import DrawnSweep, ListedSweep
from nthrun.specs.sweep import GridSweep, Sweep


def make_sweep(search: SearchSpec, space: Space) -> Sweep:
    """The settings that a search finds in a space.

    Raises:
        RejectedError: there are too many to enumerate, or none.
    """
    if search.is_plain:
        lists = {key: v for key, v in space.parameters.items() if not isinstance(v, Range)}
        return GridSweep(lists, space.defaults)
    if search.method == SETTINGS:
        return ListedSweep(tuple({**space.constant, **setting} for setting in search.settings))
    if not search.draws:
        return filtered_sweep(space)
    capacity, seed = search.integer("capacity"), search.integer("seed")
    if search.method == BAYES:
        return SuggestedSweep(space, capacity, seed)
    method = cast(PointMethod, search.method)
    return DrawnSweep(space, point_function(method, len(space.varying), seed), capacity)
