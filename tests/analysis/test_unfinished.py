"""Laws of scores of runs whose last training episode had not ended, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment, make_run

from nthrun.__main__ import commands
from nthrun.analysis.scores import Scores, read_scores
from nthrun.analysis.summary import summarise
from nthrun.analysis.unfinished import unfinished_notes
from nthrun.records import open_data
from nthrun.records.schema import NOT_RECORDED, Run

STALLS, ARRIVES = 0, 1


def cut_off(run: Run, reward: float, steps: int, **changes: Any) -> Run:
    """A run with an unfinished episode behind the others."""
    kept = {"unfinished_episode_reward": reward, "unfinished_episode_steps": steps}
    total = int(run["train_episode_steps"].sum()) + steps
    return Run(run | kept | {"total_timesteps": total} | changes)


def without(run: Run) -> Run:
    """The record as it was before unfinished episodes were recorded."""
    return Run({key: value for key, value in run.items() if key not in NOT_RECORDED})


def walks() -> list[Run]:
    """Three walks of each of two policies: one arrives once in 10 steps and then stalls, the other
    arrives again and again in 20."""
    runs = []
    for number in range(3):
        stalls = make_run(2 * number, STALLS, number, [-10.0], [10])
        runs.append(cut_off(stalls, -990.0, 990))
        runs.append(make_run(2 * number + 1, ARRIVES, number, [-20.0] * 50, [20] * 50))
    return runs


def scored(root: Path, runs: Sequence[Run], num_settings: int = 2, **options: Any) -> Scores:
    """The scores of a new experiment."""
    return read_scores(open_data(make_experiment(root, num_settings, runs=runs).root), **options)


def test_a_stalling_policy_is_no_better(tmp_path: Path) -> None:
    """The steps of an unfinished episode count at its return so far."""
    scores = scored(tmp_path, walks())
    stalls = (-10 * 10 - 990 * 990) / 1000
    assert scores.values.tolist() == pytest.approx([stalls] * 3 + [-20.0] * 3)
    assert not scores.lost.any()


def test_the_last_steps_count(tmp_path: Path) -> None:
    """The last percents of a run are those of its unfinished episode, too."""
    assert scored(tmp_path, walks(), last=10).values[0] == -990.0


def test_a_run_that_never_arrives_is_not_lost(tmp_path: Path) -> None:
    """A run without a finished episode has the return so far of its only one."""
    never = cut_off(make_run(0, STALLS, 0, [], []), -1000.0, 1000)
    scores = scored(tmp_path, [never, walks()[1]])
    assert scores.values.tolist() == pytest.approx([-1000.0, -20.0])
    assert not scores.lost.any()


@pytest.mark.parametrize(("evaluated", "expected"), [(True, -1.0), (False, -250.0)])
def test_where_no_run_arrives(tmp_path: Path, evaluated: bool, expected: float) -> None:
    """Where no run finished an episode evaluations stand in for them, or unfinished ones where
    there are no evaluations."""
    none = {
        "eval_episode_rewards": np.empty((0, 0)),
        "eval_episode_steps": np.empty((0, 0), np.int64),
        "timesteps_at_eval": np.empty(0, np.int64),
    }
    some = {
        "eval_episode_rewards": np.full((2, 1), -1.0),
        "eval_episode_steps": np.full((2, 1), 100),
        "timesteps_at_eval": np.array([0, 100]),
    }
    runs = [
        cut_off(make_run(n, n, 0, [], []), -250.0, 250, **(some if evaluated else none))
        for n in range(2)
    ]
    scores = scored(tmp_path, runs)
    assert scores.values.tolist() == [expected] * 2
    assert (scores.unfinished is None) == evaluated


def test_a_reward_that_is_no_number_does_not_count(tmp_path: Path) -> None:
    """The unfinished episode in which a run diverged leaves the score of the finished ones."""
    sick = cut_off(make_run(0, 0, 0), float("nan"), 5, status="diverged", reason="made up")
    assert scored(tmp_path, [sick], 1).values.tolist() == [-2.0]


def test_a_large_share_is_told(tmp_path: Path) -> None:
    """Where a setting has many steps in unfinished episodes, it is told how many, and whose."""
    (note,) = unfinished_notes([scored(tmp_path, walks())])
    assert note.startswith(
        "49.5 % of all steps, 99 % of those of setting 0, lie in episodes that had"
    )
    assert note.endswith("these count with their return so far")


def test_a_small_share_is_not(tmp_path: Path) -> None:
    """A few steps in unfinished episodes are nobody's concern."""
    runs = [cut_off(make_run(0, 0, 0), -1.0, 10), make_run(1, 1, 0)]
    assert not list(unfinished_notes([scored(tmp_path, runs)]))


def test_lost_runs_are_not_told(tmp_path: Path) -> None:
    """The unfinished episode of a run that is lost counts for nothing, and is not said to count."""
    sick = cut_off(make_run(0, 0, 0, [], []), -5.0, 900, status="diverged", reason="made up")
    assert not list(unfinished_notes([scored(tmp_path, [sick, make_run(1, 1, 0)])]))


def test_records_of_before_are_told(tmp_path: Path) -> None:
    """Of records without unfinished episodes it is told how many steps do not count."""
    runs = [without(run) for run in walks()]
    scores = scored(tmp_path, runs)
    assert scores.values[0] == -10.0
    (note,) = unfinished_notes([scores])
    assert "99 % of those of setting 0, lie in no finished episode and do not count" in note


@pytest.mark.parametrize("shares", ["few", "many"])
def test_records_with_and_without_are_told(tmp_path: Path, shares: str) -> None:
    """Where records with and without unfinished episodes are compared, that is said."""
    runs = [make_run(n, n % 2, n // 2) for n in range(6)] if shares == "few" else walks()
    mixed = [without(run) if run["run_number"] == 0 else run for run in runs]
    *_, note = unfinished_notes([scored(tmp_path, mixed)])
    assert note.startswith("2 of 6 runs were recorded before unfinished episodes were")


def test_experiments_with_and_without_are_told(tmp_path: Path) -> None:
    """So it is where whole experiments are compared, by the name of that with most such steps."""
    group = [scored(tmp_path / "new", walks())]
    group.append(scored(tmp_path / "old", [without(run) for run in walks()]))
    counted, uncounted, mixed = unfinished_notes(group)
    assert f"setting 0 in {tmp_path / 'new'}, lie in episodes" in counted
    assert f"setting 0 in {tmp_path / 'old'}, lie in no finished" in uncounted
    assert mixed.startswith("6 of 12 runs")


@pytest.mark.parametrize("metric", ["evaluation", "final_evaluation", "train_time"])
def test_other_metrics_know_nothing_of_them(tmp_path: Path, metric: str) -> None:
    """What is not of training episodes counts as it did, and nothing is said."""
    scores = scored(tmp_path, walks(), metric=metric)
    assert scores.unfinished is None
    assert not list(unfinished_notes([scores]))


def test_best_report_and_summary_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The choice, the report and the summary all choose the policy that arrives, and say how many
    steps lie in unfinished episodes."""
    root = make_experiment(tmp_path / "walks", 2, runs=walks()).root
    told = "99 % of those of setting 0, lie in episodes that had not ended"
    commands.main(["best", str(root), "--no-write"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "setting 1 is the best of 2" in text
    assert told in text
    summary = summarise(open_data(root)).as_document()
    assert summary["best_return"] == -20.0
    assert told in json.dumps(summary["notes"])
    page = tmp_path / "report.html"
    commands.main(["report", str(root), "--out", str(page)], standalone_mode=False)
    assert told in page.read_text()
