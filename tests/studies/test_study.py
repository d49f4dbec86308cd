"""Laws of studies: one setting a number for good, results told from records."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_run
from checkpoints import attempt, experiment_in
from packs import ENVIRONMENT

from nthrun.errors import DataFileError, IndexSpecError, InterruptedRunError, MissingExtraError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.specs.field import plain
from nthrun.studies.journal import ASK, REPORT, TELL, Journal, trials_of
from nthrun.studies.study import with_known_settings, with_suggested_settings
from nthrun.training.checkpoint_index import find_checkpoints

CAPACITY = 100
RANGES = {"critic_lr": {"loguniform": [0.001, 1]}, "actor_lr": {"loguniform": [0.001, 1]}}


def bayes(**search: Any) -> ExperimentSpec:
    """A linear actor-critic whose settings are suggested."""
    agent = {
        "agent_name": "linearAC",
        "parameters": RANGES,
        "search": {"method": "bayes", "capacity": CAPACITY, **search},
    }
    environment = {"checkpoint_interval_seconds": 1e-9, "eval_episodes": 1}
    return experiment_spec_of(ENVIRONMENT | environment, agent, "test")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """An empty one."""
    return experiment_in(tmp_path / "exp", bayes())


def ask(
    experiment: Experiment, indices: Collection[int], stage: int = 0, **search: Any
) -> dict[int, dict[str, Any]]:
    """Setting number -> setting of some indices, as a process that begins now has them."""
    spec = bayes(**search)
    spec = with_suggested_settings(spec, experiment, indices, stage)
    return {index % CAPACITY: spec.sweep.setting(index % CAPACITY) for index in indices}


def record(experiment: Experiment, index: int, score: float = -1.0, **changes: Any) -> None:
    """Record a run of its known setting."""
    run_number, number = divmod(index, CAPACITY)
    setting = with_known_settings(bayes(), experiment).sweep.setting(number)
    params = {name: plain(value) for name, value in setting.items()}
    replace = changes.pop("replace", False)
    run = make_run(index, number, run_number, (score,) * 3, agent_params=params, **changes)
    experiment.write(int(run["stage"]), [run], replace=replace)


def events(experiment: Experiment, kind: str) -> list[dict[str, Any]]:
    """What its journal has of one kind."""
    return [event for event in Journal(experiment.root).events() if kind in event]


def test_a_setting_is_suggested_once(experiment: Experiment) -> None:
    """Whoever needs the setting of a number, for whichever of its runs, gets what was suggested
    first; only what is asked for is suggested."""
    first = ask(experiment, [0, 3])
    again = ask(experiment, [3, 5, CAPACITY + 3, 2 * CAPACITY])
    assert again[3] == first[3]
    assert again[0] == first[0]
    assert [event[ASK] for event in events(experiment, ASK)] == [0, 3, 5]
    assert len({str(setting) for setting in (first | again).values()}) == 3
    known = with_known_settings(bayes(), experiment).sweep
    assert {number: known.setting(number) for number in (0, 3, 5)} == first | {5: again[5]}
    with pytest.raises(IndexSpecError, match="setting 4: not suggested yet; hint"):
        known.setting(4)


def test_of_two_suggestions_of_a_number_the_first_counts(experiment: Experiment) -> None:
    """So it stays what its first reader trained."""
    first = ask(experiment, [0])[0]
    with Journal(experiment.root).writing() as writer:
        other = plain(first["critic_lr"]) / 2
        setting = {name: plain(value) for name, value in first.items()} | {"critic_lr": other}
        writer.add([{ASK: 0, "setting": setting, "attributes": {}}])
    assert ask(experiment, [0, 1])[0] == first


def test_results_are_told_once_each(experiment: Experiment) -> None:
    """A run's result goes to the journal before the next suggestion and not again, with its score
    if it completed; runs of other stages do not count."""
    ask(experiment, range(4))
    ask(experiment, [50])
    record(experiment, 0, -3.0)
    record(experiment, 1, status="diverged")
    record(experiment, 2, status="failed")
    record(experiment, 3, status="pruned")
    record(experiment, 0, -9.0, stage=1)
    record(experiment, 50, -9.0, stage=1)
    assert events(experiment, TELL) == []
    ask(experiment, [4])
    ask(experiment, [5])
    told = [(e[TELL], e["status"], e["value"]) for e in events(experiment, TELL)]
    assert told == [
        *((0, "completed", -3.0), (1, "diverged", None)),
        *((2, "failed", None), (3, "pruned", None)),
    ]
    record(experiment, CAPACITY, -1.0)
    ask(experiment, [6])
    found = trials_of(Journal(experiment.root).events(), CAPACITY)
    assert (found[0].value, found[4].status) == (-2.0, "")


def test_replaced_records_are_told_again(experiment: Experiment) -> None:
    """What --overwrite and --retry-failed put in place of a record counts instead of it."""
    ask(experiment, [0, 1])
    record(experiment, 0, -3.0)
    record(experiment, 1, status="failed")
    ask(experiment, [2])
    record(experiment, 0, -5.0, replace=True)
    record(experiment, 1, -7.0)
    ask(experiment, [3])
    found = trials_of(Journal(experiment.root).events(), CAPACITY)
    assert [found[n].value for n in (0, 1)] == [-5.0, -7.0]
    num_told = len(events(experiment, TELL))
    ask(experiment, [4])
    assert len(events(experiment, TELL)) == num_told == 4


def test_two_records_of_one_run_are_told_once(experiment: Experiment) -> None:
    """Where attempts overlapped and differ the first record counts, whoever reads it."""
    ask(experiment, [0])
    record(experiment, 0, -3.0)
    record(experiment, 0, -5.0)
    for number in range(1, 5):
        ask(experiment, [number])
    [told] = events(experiment, TELL)
    first = open_directory(experiment).entries[0]
    score = first.load(())["train_episode_rewards"].mean()
    assert (told["shard"], told["value"]) == (first.shard, score)


def test_recorded_settings_survive_the_journal(experiment: Experiment) -> None:
    """However many bytes of the journal are left, recorded settings keep their numbers, for all
    later runs and in the journal too; numbers nobody recorded may be suggested anew."""
    before = ask(experiment, range(6))
    for index in (0, 2, 5, CAPACITY + 1):
        record(experiment, index, -float(index))
    ask(experiment, [6])
    path = Journal(experiment.root).path
    content = path.read_bytes()
    lines = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for cut in [0, *lines, *(at + 5 for at in lines[:-1]), len(content) - 1]:
        path.write_bytes(content[:cut])
        known = with_known_settings(bayes(), experiment).sweep
        after = ask(experiment, [2 * CAPACITY + 2, 9])
        for number in (0, 1, 2, 5):
            assert known.setting(number) == before[number]
        assert after[2] == before[2]
        asked = {event[ASK]: event["setting"] for event in events(experiment, ASK)}
        assert {0, 1, 2, 5, 9} <= asked.keys()
        assert len(events(experiment, ASK)) == len(asked)
        assert {0, 2, 5, CAPACITY + 1} <= {event[TELL] for event in events(experiment, TELL)}
    path.unlink()
    path.parent.rmdir()
    assert ask(experiment, [5])[5] == before[5]


def test_checkpoints_of_lost_settings_are_not_continued(experiment: Experiment) -> None:
    """A number that is suggested anew, its journal lost before anything was recorded, starts from
    step 0, whichever of its runs was begun; those whose settings are known go on."""
    ask(experiment, [0, 1])
    for index in (0, 1, CAPACITY):
        spec = with_known_settings(bayes(), experiment)
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, [index], 100)
    record(experiment, CAPACITY + 1)
    Journal(experiment.root).path.unlink()

    def held() -> set[int]:
        indices = [0, 1, CAPACITY]
        return set(find_checkpoints(experiment.checkpoints, 0, indices, {})[0])

    assert held() == {0, 1, CAPACITY}
    ask(experiment, [0, 1])
    assert held() == {1}


def test_confirmations_search_nothing(experiment: Experiment) -> None:
    """Stage 1 has the settings of stage 0; one never tried is told in one line, and no setting is
    suggested for it."""
    before = ask(experiment, [0, 1])
    assert ask(experiment, [1, CAPACITY], stage=1) == {1: before[1], 0: before[0]}
    with pytest.raises(IndexSpecError) as told:
        ask(experiment, [1, 7, 8], stage=1)
    [line] = told.value.lines()
    assert "setting 7-8: not tried in stage 0, so nothing to confirm; hint: " in line
    assert [event[ASK] for event in events(experiment, ASK)] == [0, 1]


def test_a_metric_that_no_run_has(tmp_path: Path) -> None:
    """One line says which metrics there are; nothing in the journal is lost or added."""
    search = {"metric": "happiness", "goal": "maximize"}
    experiment = experiment_in(tmp_path / "exp", bayes(**search))
    ask(experiment, [0], **search)
    record(experiment, 0)
    before = Journal(experiment.root).path.read_bytes()
    with pytest.raises(DataFileError) as told:
        ask(experiment, [1], **search)
    [line] = told.value.lines()
    assert "no run has metric 'happiness'; hint: there are: " in line
    assert Journal(experiment.root).path.read_bytes() == before
    assert ask(experiment, [0], **search)


def test_a_run_that_ended_before_it_showed_the_metric(tmp_path: Path) -> None:
    """One that diverged before anything was measured holds up no search."""
    search = {"metric": "entropy", "goal": "minimize"}
    experiment = experiment_in(tmp_path / "exp", bayes(**search))
    ask(experiment, [0, 1], **search)
    record(experiment, 0, status="diverged")
    ask(experiment, [2], **search)
    record(experiment, 1, metrics={"entropy": np.array([2.0, 4.0])})
    ask(experiment, [3], **search)
    found = trials_of(Journal(experiment.root).events(), CAPACITY)
    assert [(found[n].status, found[n].value) for n in (0, 1)] == [
        ("diverged", None),
        ("completed", 3.0),
    ]


def test_without_the_package_nothing_is_suggested(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was suggested before is known without it; what is new is refused, in one line."""
    before = ask(experiment, [0])
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert ask(experiment, [CAPACITY]) == before
    with pytest.raises(MissingExtraError, match="needs the package optuna"):
        ask(experiment, [1])
    assert [event[ASK] for event in events(experiment, ASK)] == [0]


def test_known_settings_reach_other_processes(experiment: Experiment) -> None:
    """A spec that knows settings is pickled whole."""
    before = ask(experiment, [0])
    spec = with_known_settings(bayes(), experiment)
    other = pickle.loads(pickle.dumps(spec))
    assert other.sweep.setting(0) == before[0]
    assert other.agent.as_document() == bayes().agent.as_document()


def test_reports_are_of_first_runs() -> None:
    """How a run stood on the way is told of the setting's first run; of unknown settings nothing
    is kept."""
    known = [{ASK: 2, "setting": {}, "attributes": {}}]
    reports = [(2, 100, 1.0), (CAPACITY + 2, 100, 5.0), (2, 200, 3.0), (7, 100, 9.0)]
    told = [{REPORT: index, "step": step, "value": value} for index, step, value in reports]
    found = trials_of([*known, *told], CAPACITY)
    assert found.keys() == {2}
    assert found[2].reports == {100: 1.0, 200: 3.0}


def test_other_searches_keep_no_journal(tmp_path: Path) -> None:
    """Settings of other methods are known without a study."""
    agent = {"agent_name": "linearAC", "parameters": {"critic_lr": [0.1, 0.2]}}
    spec = experiment_spec_of(ENVIRONMENT, agent, "test")
    experiment = experiment_in(tmp_path / "exp", spec)
    assert with_known_settings(spec, experiment) is spec
    assert with_suggested_settings(spec, experiment, [0, 1], 0) is spec
    assert not Journal(experiment.root).path.parent.exists()


def test_what_was_forgotten_is_not_searched_by(experiment: Experiment) -> None:
    """A result whose record was removed is taken back before the next suggestion, and told again
    when the run is recorded again."""
    ask(experiment, [0, 1])
    record(experiment, 0)
    record(experiment, 1)
    ask(experiment, [2])
    experiment.forget(0, [0])
    ask(experiment, [3])
    trials = trials_of(Journal(experiment.root).events(), CAPACITY)
    assert (trials[0].status, trials[1].status) == ("", "completed")
    record(experiment, 0)
    ask(experiment, [4])
    assert trials_of(Journal(experiment.root).events(), CAPACITY)[0].status == "completed"
