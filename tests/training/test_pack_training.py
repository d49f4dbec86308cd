"""Laws of training the packs of a process one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_run
from checkpoints import attempt, experiment_in
from packs import small_spec

from nthrun.commands.scoreboard import recorded_news
from nthrun.errors import InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import open_directory
from nthrun.records.experiment import open_experiment
from nthrun.training.context import TrainingContext, make_context
from nthrun.training.pack_training import train_pack
from nthrun.training.progress import Began, News, Noted, Recorded
from nthrun.training.requests import PackRequest

SHORT = {"total_timesteps": 20, "eval_interval_timesteps": 20, "eval_episodes": 0}


def request_for(spec: ExperimentSpec, retry_failed: bool = False) -> PackRequest:
    """What a command asks that trains stage 0 and replaces nothing."""
    return PackRequest(0, False, retry_failed, lambda _: spec, lambda run: recorded_news(spec, run))


def begun(news: list[News]) -> list[tuple[int, ...]]:
    """The indices of each pack that was begun."""
    return [told.indices for told in news if isinstance(told, Began)]


def test_what_was_recorded_meanwhile_is_not_trained_again(tmp_path: Path) -> None:
    """What another process has recorded since the last pack is left out of the next one, whose
    other indices are trained; a pack of which nothing is left is not begun."""
    spec = small_spec(SHORT)
    news: list[News] = []
    experiment = experiment_in(tmp_path, spec)
    context: TrainingContext = replace(
        make_context(spec), experiment=experiment, report=news.append
    )
    known = train_pack([0, 6], context, request_for(spec))
    another = open_experiment(tmp_path)
    another.write(0, [make_run(12, 0, 2), make_run(24, 0, 4)])
    known = train_pack([12, 18], context, request_for(spec), known)
    known = train_pack([12, 24], context, request_for(spec), known)
    assert begun(news) == [(0, 6), (18,)]
    assert [told.index for told in news if isinstance(told, Recorded)] == [0, 6, 18]
    assert known.missing(range(0, 36, 6), 0) == [30]
    assert all(len(records) == 1 for records in known.entries.values())


def test_failed_runs_are_trained_again_on_request_only(tmp_path: Path) -> None:
    """An index whose run failed in another process meanwhile is left out, unless failed ones are to
    be trained again; then its new record stands in place of the failed one."""
    spec = small_spec(SHORT)
    news: list[News] = []
    experiment = experiment_in(tmp_path, spec)
    context = replace(make_context(spec), experiment=experiment, report=news.append)
    known = train_pack([0], context, request_for(spec))
    open_experiment(tmp_path).write(0, [make_run(6, 0, 1, status="failed")])
    known = train_pack([6], context, request_for(spec), known)
    assert begun(news) == [(0,)]
    known = train_pack([6], context, request_for(spec, retry_failed=True), known)
    assert begun(news) == [(0,), (6,)]
    assert [record.status for record in known.entries[0, 6]] == ["completed"]


def test_a_state_of_other_tensors_starts_anew(tmp_path: Path) -> None:
    """A checkpoint whose tensors are not those of a fresh state is passed over with a note, and the
    run is trained from step 0 to its end."""
    environment = {"env_name": "Pendulum-v1", "total_timesteps": 300, "steps_per_episode": 100}
    agent = {"agent_name": "drifting:Drifting", "parameters": {}}
    spec = experiment_spec_of(environment, agent, "test")
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0], 128)
    news: list[News] = []
    context = replace(make_context(spec), experiment=experiment, report=news.append)
    train_pack([0], context, request_for(spec))
    (note,) = (told.line for told in news if isinstance(told, Noted))
    assert "count is float32 (1,), expected int64 (1,); its runs start from step 0" in note
    (run,) = (entry.load(()) for entry in open_directory(experiment).entries)
    assert (run["status"], run["total_timesteps"]) == ("completed", 300)
