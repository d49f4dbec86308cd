"""Laws of scores: one number a run, by a named metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT

from nthrun.analysis.choice import choose
from nthrun.analysis.choice_text import choice_lines
from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.returns import Series
from nthrun.analysis.scores import chosen_entries, common_step, mean_of_last, read_scores
from nthrun.errors import DataFileError, NthrunError
from nthrun.records import Data, open_data
from nthrun.records.combine import combine
from nthrun.records.schema import Run

EPISODES = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 50)), max_size=6)


def opened(root: Path, num_settings: int, runs: Sequence[Run]) -> Data:
    """The data of a new experiment with these runs."""
    return open_data(make_experiment(root, num_settings, runs=runs).root)


class TestMeanOfLast:
    @given(st.lists(EPISODES, max_size=5), st.floats(0.5, 100))
    def test_definition(self, runs: list[list[tuple[float, int]]], last: float) -> None:
        """It is the mean, over the steps of the last percent, of the value each step counts for;
        a step on the boundary counts for its part within, and a run without values has none."""
        flat = [pair for run in runs for pair in run]
        series = Series(
            np.array([value for value, _ in flat]),
            np.array([steps for _, steps in flat], np.int64),
            np.cumsum([0, *(len(run) for run in runs)]),
        )
        expected = []
        for run in runs:
            total = sum(steps for _, steps in run)
            left, weighted = total * last / 100, 0.0
            for value, steps in reversed(run):
                weighted += value * min(left, steps)
                left -= min(left, steps)
            expected.append(weighted / (total * last / 100) if run else np.nan)
        np.testing.assert_allclose(mean_of_last(series, last), expected, rtol=1e-6, atol=1e-3)

    def test_infinite_value_outside(self) -> None:
        """A value that is not finite makes a score that is not, if it counts, and only in its
        own run."""
        series = Series(np.array([np.inf, 1.0, np.nan, 2.0]), np.ones(4, int), np.array([0, 2, 4]))
        assert not np.isfinite(mean_of_last(series)).any()
        assert mean_of_last(series, 50).tolist() == [1.0, 2.0]


class TestMetrics:
    def test_return(self, tmp_path: Path) -> None:
        """Returns are weighted by their episodes' steps, and a run without an episode is lost."""
        runs = [make_run(0, 0, 0, [0.0, -100.0], [9, 91]), make_run(1, 1, 0, [], [])]
        scores = read_scores(opened(tmp_path, 2, runs))
        assert scores.values[0] == pytest.approx(-91.0)
        assert np.isnan(scores.values[1])
        assert scores.lost.tolist() == [False, True]
        assert scores.higher_is_better

    def test_episodes(self, tmp_path: Path) -> None:
        """The mean over episodes counts each alike, and a run without one is lost."""
        runs = [make_run(0, 0, 0, [0.0, -100.0], [9, 91]), make_run(1, 1, 0, [], [])]
        scores = read_scores(opened(tmp_path, 2, runs), "episodes")
        assert scores.values[0] == pytest.approx(-50.0)
        assert scores.lost.tolist() == [False, True]
        assert scores.higher_is_better

    def test_columns(self, tmp_path: Path) -> None:
        """Every row is one run, in the order of setting, stage and run number, with its status and
        its setting's hyperparameters."""
        runs = [make_run(n, n % 2, n // 2, stage=1) for n in (3, 0, 2)]
        runs += [make_run(1, 1, 0, stage=1, status="diverged")]
        scores = read_scores(opened(tmp_path, 2, runs))
        assert scores.indices.tolist() == [0, 2, 1, 3]
        assert scores.settings.tolist() == [0, 0, 1, 1]
        assert scores.run_numbers.tolist() == [0, 1, 0, 1]
        assert scores.stages.tolist() == [1] * 4
        assert scores.statuses.tolist() == ["completed", "completed", "diverged", "completed"]
        assert scores.lost.tolist() == [False, False, True, False]
        assert scores.parameters == {0: {"critic_lr": 0.001}, 1: {"critic_lr": 0.002}}

    @pytest.mark.parametrize(
        ("metric", "last", "expected"),
        [
            ("return", 100.0, 400 / 110),
            ("evaluation", 100.0, (100 * 1.0 + 10 * 5.0) / 110),
            ("evaluation", 100 * 20 / 110, 3.0),
            ("final_evaluation", 100.0, 5.0),
            ("oracle_gap", 100.0, (100 * 4.0 + 10 * 2.0) / 110),
            ("loss", 100.0, 1.5),
            ("loss", 25.0, 3.0),
            ("train_time", 100.0, 1.5),
            ("eval_time", 100.0, 0.5),
            ("peak_memory", 100.0, 321.0),
        ],
    )
    def test_by_name(self, tmp_path: Path, metric: str, last: float, expected: float) -> None:
        """Each metric is the mean of its own series; of runs without training episodes the return
        is that of evaluations."""
        run = make_solver_run(
            *(0, 0, 0, [9.0, 1.0, 5.0], [0, 100, 110]),
            eval_metrics={"oracle_gap": np.array([9.0, 4.0, 2.0])},
            metrics={"loss": np.arange(4.0)},
            provenance={"peak_memory_mb": 321},
        )
        if metric == "return":
            run["eval_episode_rewards"] = np.array([[9.0], [4.0], [0.0]])
        scores = read_scores(opened(tmp_path, 1, [run]), metric, last, direction="minimize")
        assert scores.values.tolist() == pytest.approx([expected])
        assert not scores.lost.any()

    def test_absent_from_some(self, tmp_path: Path) -> None:
        """A run without the metric is lost, and the others keep their own values."""
        gap = {"oracle_gap": np.array([9.0, 4.0, 2.0])}
        runs = [make_solver_run(n, 0, n, eval_metrics=gap if n == 1 else {}) for n in range(3)]
        scores = read_scores(opened(tmp_path, 1, runs), "oracle_gap")
        assert scores.lost.tolist() == [True, False, True]
        assert scores.values[1] == 3.0
        assert not scores.higher_is_better

    def test_first_evaluation(self, tmp_path: Path) -> None:
        """An evaluation counts for the steps of its own run before it, whichever run is before."""
        runs = [make_solver_run(0, 0, 0, at=[0, 100, 110])]
        runs += [make_solver_run(n, 0, n, [-1.0, -3.0], [50, 200]) for n in (1, 2)]
        scores = read_scores(opened(tmp_path, 1, runs))
        assert scores.values[1:].tolist() == pytest.approx([-(50 + 3 * 150) / 200] * 2)

    def test_sources_agree(self, tmp_path: Path) -> None:
        """The directory, data.json and data.h5 give the same scores."""
        gap = {"oracle_gap": np.array([9.0, 4.0, 2.0])}
        runs = [make_solver_run(n, n % 2, n // 2, eval_metrics=gap) for n in range(4)]
        experiment = make_experiment(tmp_path, 2, runs=runs)
        paths = [experiment.root, tmp_path / "data.json", tmp_path / "data.h5"]
        for path in paths[1:]:
            combine(experiment, path)
        for metric in ("return", "oracle_gap", "final_evaluation"):
            found = [read_scores(open_data(path), metric).values for path in paths]
            np.testing.assert_array_equal(found[0], found[1])
            np.testing.assert_array_equal(found[0], found[2])

    def test_repeated_record(self, tmp_path: Path) -> None:
        """A run whose records conflict counts once."""
        experiment = make_experiment(tmp_path, runs=[make_run(0, 0, 0, [-2.0], [10])])
        experiment.write(0, [make_run(0, 0, 0, [-3.0], [10])])
        assert len(read_scores(open_data(experiment.root))) == 1

    def test_unknown(self, tmp_path: Path) -> None:
        """A metric that no run has is one error that names those there are."""
        gap = {"oracle_gap": np.zeros(3)}
        run = make_solver_run(0, 0, 0, eval_metrics=gap, metrics={"loss": np.zeros(2)})
        with pytest.raises(DataFileError, match=r"metric 'x'; hint: .*loss, oracle_gap, peak"):
            read_scores(opened(tmp_path, 1, [run]), "x")


class TestPruned:
    def test_compared_at_the_step_all_reached(self, tmp_path: Path) -> None:
        """Where runs were pruned, all are scored by what they had up to the last evaluation that
        every run reached, and none is lost for having been pruned."""
        runs = [
            make_run(0, 0, 0, [-9.0, -9.0, -1.0], [100, 100, 100]),
            make_run(1, 1, 0, [-5.0, -3.0], [100, 100], status="pruned"),
            make_run(2, 0, 1, [-8.0, -4.0, 0.0], [150, 100, 50]),
            make_run(3, 1, 1, [-7.0, 9.0], [200, 100]),
        ]
        scores = read_scores(opened(tmp_path, 2, runs))
        assert scores.up_to == 200
        assert scores.indices.tolist() == [0, 2, 1, 3]
        expected = [-9.0, (150 * -8.0 + 50 * -4.0 / 2) / 200, -4.0, -7.0]
        assert scores.values.tolist() == pytest.approx(expected)
        assert scores.pruned.tolist() == [False, False, True, False]
        assert not scores.lost.any()

    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            ("evaluation", [3.0, 2.0]),
            ("final_evaluation", [3.0, 2.0]),
            ("oracle_gap", [4.0, 3.0]),
            ("loss", [0.5, 2.0]),
            ("train_time", [2.0, 3.0]),
            ("peak_memory", [8.0, 8.0]),
        ],
    )
    def test_every_metric(self, tmp_path: Path, metric: str, expected: list[float]) -> None:
        """Each metric is what it was at that step; of updates and of time as large a part counts as
        of the steps, and memory, which has no course, counts whole."""
        runs = [
            make_solver_run(
                *(0, 0, 0, [9.0, 3.0, 7.0, 7.0], [0, 100, 200, 300]),
                eval_metrics={"oracle_gap": np.array([9.0, 4.0, 1.0, 1.0])},
                metrics={"loss": np.arange(6.0)},
                train_time=6.0,
                provenance={"peak_memory_mb": 8.0},
            ),
            make_solver_run(
                *(1, 1, 0, [9.0, 2.0], [0, 100]),
                eval_metrics={"oracle_gap": np.array([9.0, 3.0])},
                metrics={"loss": np.full(2, 2.0)},
                train_time=3.0,
                status="pruned",
                provenance={"peak_memory_mb": 8.0},
            ),
        ]
        scores = read_scores(opened(tmp_path, 2, runs), metric, direction="minimize")
        assert scores.up_to == 100
        assert scores.values.tolist() == pytest.approx(expected)

    def test_last(self, tmp_path: Path) -> None:
        """The last percent are those of the steps up to there."""
        runs = [make_run(0, 0, 0, [-9.0, -1.0, 5.0], [100, 100, 100])]
        runs += [make_run(1, 1, 0, [-5.0, -3.0], [100, 100], status="pruned")]
        assert read_scores(opened(tmp_path, 2, runs), last=50).values.tolist() == [-1.0, -3.0]

    @pytest.mark.parametrize("status", ["diverged", "failed"])
    def test_lost_runs_do_not_count(self, tmp_path: Path, status: str) -> None:
        """A run that is lost takes no step from the others, however early it ended, and without a
        pruned run none is taken from any."""
        runs = [make_run(0, 0, 0), make_run(1, 1, 0, [-9.0], [100], status=status)]
        pruned = make_run(2, 0, 1, [-5.0, -3.0], [100, 100], status="pruned")
        assert read_scores(opened(tmp_path / "a", 2, runs)).up_to is None
        scores = read_scores(opened(tmp_path / "b", 2, [*runs, pruned]))
        assert (scores.up_to, scores.lost.tolist()) == (200, [False, False, True])

    def test_cut_off_alike(self, tmp_path: Path) -> None:
        """An episode that pruning cut off and one that went on beyond that step count alike: for
        their steps up to there, with what return there was, or as large a part of it."""
        went_on = make_run(0, 0, 0, [-60.0, -60.0, -60.0, -60.0, -60.0], [60] * 5)
        ended = make_run(
            *(1, 1, 0, [-60.0], [60]),
            total_timesteps=100,
            timesteps_at_eval=np.array([0, 100]),
            eval_episode_rewards=np.full((2, 2), -1.0),
            eval_episode_steps=np.full((2, 2), 100),
            status="pruned",
            unfinished_episode_reward=-40.0,
            unfinished_episode_steps=40,
        )
        scores = read_scores(opened(tmp_path, 2, [went_on, ended]))
        assert scores.values.tolist() == pytest.approx([(60 * -60 + 40 * -40) / 100] * 2)
        assert ranked_settings(scores).equals() == [1]

    def test_without_evaluations(self, tmp_path: Path) -> None:
        """Where nothing was evaluated, the training curve counts up to the fewest steps of any."""
        nothing = {
            "eval_episode_rewards": np.empty((0, 0)),
            "eval_episode_steps": np.empty((0, 0), np.int64),
            "timesteps_at_eval": np.empty(0, np.int64),
        }
        runs = [make_run(0, 0, 0, [-9.0, 0.0], [70, 230], **nothing)]
        runs += [make_run(1, 1, 0, [-5.0], [70], status="pruned", **nothing)]
        scores = read_scores(opened(tmp_path, 2, runs))
        assert (scores.up_to, scores.values.tolist()) == (70, [-9.0, -5.0])

    def test_a_run_without_a_step(self, tmp_path: Path) -> None:
        """A run that was ended before its first step is lost, and takes nothing from the others."""
        runs = [make_run(0, 0, 0), make_run(1, 1, 0, [], [], status="pruned")]
        runs += [make_run(2, 0, 1, [-5.0], [100], status="pruned")]
        scores = read_scores(opened(tmp_path, 2, runs))
        assert (scores.up_to, scores.lost.tolist()) == (100, [False, False, True])

    def test_asked_for(self, tmp_path: Path) -> None:
        """Runs count up to a step that is asked for, never beyond one where a run was pruned, and
        their different lengths are known."""
        runs = [make_run(0, 0, 0, [-9.0, -1.0], [100, 100]), make_run(1, 1, 0)]
        data = opened(tmp_path / "a", 2, runs)
        assert read_scores(data).lengths == (200, 300)
        assert common_step(chosen_entries(data)) == 200
        assert read_scores(data, up_to=100).values.tolist() == [-9.0, -3.0]
        runs += [make_run(2, 0, 1, [-5.0], [100], status="pruned")]
        data = opened(tmp_path / "b", 2, runs)
        assert [read_scores(data, up_to=step).up_to for step in (50, 100, 200)] == [50, 100, 100]

    def test_the_count_never_decides(self, tmp_path: Path) -> None:
        """A setting of which most runs were pruned is better than one without any whose runs had
        less by then, and worse than one whose runs had more."""
        values = {0: -9.0, 1: -2.0, 2: -5.0}
        runs = [
            make_run(
                3 * run + setting,
                setting,
                run,
                *(([value], [100]) if setting == 1 and run else ([value] * 3, [100] * 3)),
                status="pruned" if setting == 1 and run else "completed",
            )
            for run in range(4)
            for setting, value in values.items()
        ]
        data = opened(tmp_path, 3, runs)
        settings = ranked_settings(read_scores(data))
        assert settings.order.tolist() == [1, 2, 0]
        assert settings.num_pruned.tolist() == [0, 3, 0]
        choice = choose(settings.scores)
        assert (choice.settings, choice.num_pruned, choice.num_lost) == ((1,), 3, 0)
        text = "\n".join(choice_lines(choice, [settings.scores]))
        assert "runs compared: 12, 0 lost, 3 pruned" in text
        assert "compared by their first 100 steps" in text


class TestRefusals:
    def test_stages(self, tmp_path: Path) -> None:
        """Runs of several stages are mixed on request only, and never by default."""
        runs = [make_run(0, 0, 0), make_run(0, 0, 0, stage=1), make_run(1, 0, 1, stage=1)]
        data = opened(tmp_path, 1, runs)
        with pytest.raises(DataFileError, match=r"stages 0, 1 are recorded.*; hint: give --stage"):
            read_scores(data)
        assert [len(read_scores(data, stage=stage)) for stage in (0, 1, "all")] == [1, 2, 3]
        with pytest.raises(DataFileError, match=r"no run of stage 2; hint: .* 0, 1"):
            read_scores(data, stage=2)

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"last": 0.0}, "last: got 0 percent, allowed: above 0"),
            ({"last": 101.0}, "last: got 101 percent"),
            ({"last": 10.0, "metric": "train_time"}, "last: .* one number a run; hint"),
            ({"metric": "loss"}, "direction: not known of metric 'loss', .*; hint: give"),
            ({"direction": "up"}, "direction: got 'up', allowed: maximize or minimize"),
        ],
    )
    def test_options(self, tmp_path: Path, options: dict[str, Any], problem: str) -> None:
        """What does not fit the metric is refused, with what is allowed."""
        data = opened(tmp_path, 1, [make_run(0, 0, 0, metrics={"loss": np.zeros(3)})])
        with pytest.raises(NthrunError, match=problem):
            read_scores(data, **options)

    def test_no_runs(self, tmp_path: Path) -> None:
        """An experiment without runs is an error that says so."""
        with pytest.raises(DataFileError, match="holds no runs; hint: train"):
            read_scores(opened(tmp_path, 1, []))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("RBC_ppo_types.h5", "exploitability is what best_response finds of these runs"),
        ("RBC_best_response.json", "exploitability is of runs whose role is all"),
    ],
)
def test_how_far_from_an_equilibrium_is_asked_of_responses(data: str, told: str) -> None:
    """Who asks it of runs that learned a game is told which agent finds it, and how."""
    with pytest.raises(DataFileError) as refused:
        read_scores(open_data(ROOT / "docs/demo/games" / data), "exploitability")
    assert told in refused.value.hint
