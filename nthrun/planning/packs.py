"""Indices to packs: runs of equal static hyperparameters, at equal steps, train together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nthrun.index import random_seed
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.declaration import Setting


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run to be trained.

    Attributes:
        index, setting_number, run_number, stage: which run.
        random_seed: what its generators grow from.
        setting: its hyperparameters.
        start_step: where its newest checkpoint stands; 0 without one.
    """

    index: int
    setting_number: int
    run_number: int
    stage: int
    random_seed: int
    setting: Setting
    start_step: int = 0


@dataclass(frozen=True, slots=True)
class Pack:
    """Runs trained together; `runs[lane]` is the run on a lane."""

    runs: tuple[PlannedRun, ...]
    statics: Mapping[str, Any]

    @property
    def start_step(self) -> int:
        """The step at which all its runs stand."""
        return self.runs[0].start_step

    @property
    def stage(self) -> int:
        """The stage of all its runs."""
        return self.runs[0].stage


def plan_run(spec: ExperimentSpec, index: int, stage: int, start_step: int = 0) -> PlannedRun:
    """The run at an index.

    Raises:
        IndexSpecError: the index is out of range.
    """
    setting_number, run_number = spec.sweep.locate(index)
    return PlannedRun(
        index,
        setting_number,
        run_number,
        stage,
        random_seed(stage, run_number),
        spec.sweep.setting(setting_number),
        start_step,
    )


def packs_of_indices(
    spec: ExperimentSpec, indices: Iterable[int], width: int | Callable[[Setting], int]
) -> Iterator[list[int]]:
    """Indices of equal static hyperparameters, at most `width` together, in ascending order.

    Args:
        spec: of the experiment.
        indices: ascending.
        width: of every pack, or what tells it from a setting of the pack; all settings are
            asked for before the first pack is given.
    """
    groups = static_groups(spec, indices)
    widths = [
        width if isinstance(width, int) else width(planned_setting(spec, group[0]))
        for group in groups
    ]
    for group, at_most in zip(groups, widths, strict=True):
        for first in range(0, len(group), at_most):
            yield group[first : first + at_most]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run was recorded.

    Attributes:
        lane: its lane in that pack.
        width: how many lanes the pack had.
    """

    lane: int
    width: int


def packed_otherwise(indices: Sequence[int], places: Mapping[int, Place]) -> list[list[int]]:
    """A pack as others, in which no run has a neighbour that it had, nor as many, where it can be.

    Args:
        indices: of equal static hyperparameters, ascending.
        places: index -> where it was recorded.

    Returns:
        those of even lanes and those of odd ones, backwards; and runs by themselves that would
        share a pack as wide as the one they were recorded in.
    """
    packs: list[list[int]] = []
    for parity in (0, 1):
        pack = [index for index in reversed(indices) if places[index].lane % 2 == parity]
        while len(pack) > 1 and any(places[index].width == len(pack) for index in pack):
            packs.append([pack.pop()])
        packs += [pack] if pack else []
    return packs


def static_groups(spec: ExperimentSpec, indices: Iterable[int]) -> list[list[int]]:
    """Indices by their static hyperparameters, groups in order of their first index.

    A setting is looked up once a label of `Sweep.class_of`, so that millions of indices of a grid
    take about a second.

    Raises:
        IndexSpecError: an index is out of range.
    """
    names = spec.agent.declaration.static_names()
    label = spec.sweep.class_of(names)
    labelled: dict[Hashable, list[int]] = {}
    for index in indices:
        labelled.setdefault(label(index), []).append(index)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for group in labelled.values():
        for index in (group[0], group[-1]):
            setting = planned_setting(spec, index)
        groups.setdefault(tuple(setting[name] for name in names), []).extend(group)
    return [sorted(group) for group in groups.values()]


def planned_setting(spec: ExperimentSpec, index: int) -> Setting:
    """What to plan the run at an index with: its setting, where it is known by now.

    Raises:
        IndexSpecError: the index is out of range.
    """
    return spec.sweep.planned(spec.sweep.locate(index)[0])


def packs_of_runs(
    runs: Iterable[PlannedRun], static_names: Iterable[str], width: int
) -> Iterator[Pack]:
    """Group runs into packs of at most `width`, in order of their first index."""
    names = tuple(static_names)
    groups: dict[tuple[Any, ...], list[PlannedRun]] = {}
    for run in runs:
        statics = tuple(run.setting[name] for name in names)
        groups.setdefault((run.start_step, run.stage, *statics), []).append(run)
    for group in groups.values():
        statics_of_group = {name: group[0].setting[name] for name in names}
        for first in range(0, len(group), width):
            yield Pack(tuple(group[first : first + width]), statics_of_group)
