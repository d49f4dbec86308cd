"""Recorded runs that are run again to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nthrun.errors import IndexSpecError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.schema import OMITTED_FROM_JSON, Run, first_difference
from nthrun.records.sources import Entry
from nthrun.training.requests import PruningRule

if TYPE_CHECKING:
    from nthrun.commands.request import Request

EQUAL, DIFFERS, NOT_COMPARABLE = 0, 1, 3


def recorded_entries(
    experiment: Experiment, spec: ExperimentSpec, request: Request
) -> dict[int, list[Entry]]:
    """The records of every index asked for, unread.

    Raises:
        IndexSpecError: an index has none.
    """
    wanted = set(request.indices)
    recorded: dict[int, list[Entry]] = {}
    for entry in open_directory(experiment).entries:
        setting_number, stage, run_number = entry.identity
        index = spec.sweep.index(setting_number, run_number)
        if stage == request.stage and index in wanted:
            recorded.setdefault(index, []).append(entry)
    if absent := wanted.difference(recorded):
        raise IndexSpecError(
            f"index {format_indices(absent)}: not recorded in {experiment.root}, nothing to verify"
        )
    return recorded


def as_recorded(recorded: dict[int, list[Entry]]) -> PruningRule:
    """Ends runs where their records end: others may have come further since."""
    ends = {}
    for index, entries in recorded.items():
        run = read_entry(entries[0])
        if run["status"] == "pruned":
            ends[index] = run["total_timesteps"]

    def should_prune(indices: Sequence[int], step: int, values: Sequence[float]) -> list[bool]:
        return [ends.get(index) == step for index in indices]

    return should_prune


def read_entry(entry: Entry) -> Run:
    """A record without its large arrays."""
    return entry.load(OMITTED_FROM_JSON)


def differing_name(again: Run, recorded: list[Entry]) -> str | None:
    """The first key in which any record of a run differs from running it again."""
    keys = (first_difference(entry.load(()), again) for entry in recorded)
    return next((key for key in keys if key is not None), None)
