"""A study of an experiment: which setting each number has, suggested when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Mapping
from typing import Any

from nthrun.analysis.scores import read_scores
from nthrun.errors import DataFileError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.data import Data, open_directory
from nthrun.records.experiment import Experiment
from nthrun.records.sources import Entry
from nthrun.specs.field import RejectedError, plain
from nthrun.specs.search.adaptive_sweep import require_tried
from nthrun.specs.search.search_spec import BAYES
from nthrun.studies.journal import (
    ASK,
    FORGOTTEN,
    TELL,
    Journal,
    JournalWriter,
    Trial,
    is_event,
    trials_of,
)
from nthrun.studies.suggestions import require_sampler, suggest
from nthrun.terminal import note
from nthrun.training.checkpoint_index import abandon_checkpoints, all_held


def with_known_settings(spec: ExperimentSpec, experiment: Experiment) -> ExperimentSpec:
    """The specs with the settings that were suggested so far; as they are for any other search.

    Raises:
        StorageError: the journal cannot be read.
    """
    if spec.agent.search.method != BAYES:
        return spec
    journal = Journal(experiment.root)
    events = journal.events()
    trials = trials_of(events, spec.sweep.num_settings)
    if damaged := journal.num_damaged + sum(not is_event(event) for event in events):
        note(f"{journal.path}: {damaged} lines are damaged and were passed over")
    suggested = {number: trial.setting for number, trial in trials.items()}
    recorded = _recorded_settings(open_directory(experiment), suggested)
    try:
        return spec.knowing(recorded | suggested)
    except RejectedError as rejected:
        raise DataFileError(
            f"{journal.path}: a setting is none of this search: {rejected.problem}", rejected.hint
        ) from rejected


def with_suggested_settings(
    spec: ExperimentSpec, experiment: Experiment, indices: Collection[int], stage: int
) -> ExperimentSpec:
    """The specs with the settings of some indices, each suggested now if it was not before.

    A suggestion is on disk before this returns. The sampler is first given the results of runs that
    ended since the last one.

    Args:
        spec: of the experiment.
        experiment: where its journal is.
        indices: about to be trained.
        stage: of them. Only stage 0 searches: fresh seeds confirm what was tried.

    Raises:
        IndexSpecError: a setting to be confirmed was never tried.
        DataFileError: no record has the search's metric.
        MissingExtraError: the sampler's packages are not installed.
        StorageError: the journal cannot be written.
    """
    known = with_known_settings(spec, experiment)
    if spec.agent.search.method != BAYES:
        return known
    numbers = {spec.sweep.locate(index)[0] for index in indices}
    new = sorted(numbers.difference(known.agent.suggested))
    if not new:
        return known
    require_tried(known.sweep, indices, stage)
    require_sampler(spec.agent.search)
    journal = Journal(experiment.root)
    with journal.writing() as writer:
        trials = trials_of(journal.events(), spec.sweep.num_settings)
        data = open_directory(experiment)
        _add_recorded(trials, _recorded_settings(data, trials), writer)
        _tell(trials, spec, data, writer)
        unknown = [number for number in new if number not in trials]
        _abandon_checkpoints(spec, experiment, unknown)
        for number in unknown:
            _ask(trials, spec, number, writer)
    return spec.knowing({number: trial.setting for number, trial in trials.items()})


def _ask(
    trials: dict[int, Trial], spec: ExperimentSpec, number: int, writer: JournalWriter
) -> None:
    """Ask the sampler for the setting of a number, and write it down."""
    setting, attributes = suggest(spec.agent.search, spec.agent.space, trials.values(), number)
    as_json = {name: plain(value) for name, value in setting.items()}
    writer.add([{ASK: number, "setting": as_json, "attributes": attributes}])
    trials[number] = Trial(number, as_json, attributes)


def _abandon_checkpoints(
    spec: ExperimentSpec, experiment: Experiment, numbers: Collection[int]
) -> None:
    """Abandon checkpoints of settings that were lost with the journal, before others take their
    numbers."""
    for stage, indices in all_held(experiment.checkpoints).items():
        begun = {index for index in indices if spec.sweep.locate(index)[0] in numbers}
        abandon_checkpoints(experiment.checkpoints, stage, begun)


def _add_recorded(
    trials: dict[int, Trial], recorded: Mapping[int, Mapping[str, Any]], writer: JournalWriter
) -> None:
    """Add the settings that only records know, as after the journal was lost."""
    trials |= {number: Trial(number, setting, {}) for number, setting in recorded.items()}
    writer.add({ASK: n, "setting": s, "attributes": {}} for n, s in recorded.items())


def _tell(
    trials: Mapping[int, Trial], spec: ExperimentSpec, data: Data, writer: JournalWriter
) -> None:
    """Tell the journal what was recorded since; of several records of a run, the first.

    Raises:
        DataFileError: no record has the metric.
    """
    firsts: dict[int, Entry] = {}
    for entry in data.entries:
        number, stage, run_number = entry.identity
        if stage == 0:
            firsts.setdefault(spec.sweep.index(number, run_number), entry)
    new: dict[int, Entry] = {}
    for index, entry in firsts.items():
        result = trials[spec.sweep.locate(index)[0]].results.get(index)
        if result is None or result[0] != entry.shard:
            new[index] = entry
    events = _forget_removed(trials, firsts)
    for index, value in _values(data, spec, new).items():
        entry = new[index]
        trials[entry.identity.setting_number].results[index] = entry.shard, entry.status, value
        events.append({TELL: index, "shard": entry.shard, "status": entry.status, "value": value})
    writer.add(events)


def _forget_removed(trials: Mapping[int, Trial], recorded: Collection[int]) -> list[dict[str, Any]]:
    """Forget the results of records that were removed since; returns the events that say so."""
    events = []
    for trial in trials.values():
        for index in [index for index in trial.results if index not in recorded]:
            del trial.results[index]
            trial.reports.clear()
            events.append({TELL: index, "shard": "", "status": FORGOTTEN, "value": None})
    return events


def _values(
    data: Data, spec: ExperimentSpec, entries: Mapping[int, Entry]
) -> dict[int, float | None]:
    """Index -> score; None where a run has none, or did not complete.

    Raises:
        DataFileError: no record has the metric.
    """
    values: dict[int, float | None] = dict.fromkeys(entries)
    completed = [entry for entry in entries.values() if entry.status == "completed"]
    if completed:
        search = spec.agent.search
        of_completed = Data(data.source, data["experiment"], completed)
        scores = read_scores(of_completed, search.text("metric"), stage=0, direction=search.goal)
        pairs = zip(scores.indices.tolist(), scores.values.tolist(), strict=True)
        values |= {index: value if math.isfinite(value) else None for index, value in pairs}
    return values


def _recorded_settings(data: Data, known: Container[int]) -> dict[int, Mapping[str, Any]]:
    """Setting number -> hyperparameters, of every setting that has a record but is not known."""
    unknown = [e for e in data.entries if e.identity.setting_number not in known]
    settings = Data(data.source, data["experiment"], unknown).settings() if unknown else {}
    return dict(settings)
