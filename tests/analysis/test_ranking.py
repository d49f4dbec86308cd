"""Laws of the ranking of settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from builders import make_experiment, make_run, make_solver_run
from scored import NAN, make_scores

from nthrun.analysis.curves import best_setting, learning_curve
from nthrun.analysis.ranking import best_positions, ranked_settings, runs_by_setting
from nthrun.analysis.scores import read_scores
from nthrun.records import Data, open_data
from nthrun.records.schema import Run


class Best(NamedTuple):
    """The best setting of an experiment."""

    number: int
    num_runs: int
    num_lost: int
    mean: float


def best(data: Data) -> Best:
    """The best setting, by the return."""
    settings = ranked_settings(read_scores(data))
    columns = settings.numbers, settings.num_runs, settings.num_lost, settings.means
    found = Best(*(column[settings.best()].item() for column in columns))
    assert best_setting(data) == found.number
    return found


def opened(root: Path, num_settings: int, runs: Sequence[Run]) -> Data:
    """The data of a new experiment with these runs."""
    return open_data(make_experiment(root, num_settings, runs=runs).root)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_whole_ranking(higher_is_better: bool) -> None:
    """Fewer lost runs come first, then better means, then lower numbers; without a value, last."""
    values = [[NAN, NAN], [9.0, NAN], [1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [NAN, NAN], [8.0, NAN]]
    scores = make_scores(np.array(values).tolist(), higher_is_better)
    settings = ranked_settings(scores)
    expected = [3, 4, 2, 1, 6, 0, 5] if higher_is_better else [2, 3, 4, 6, 1, 0, 5]
    assert settings.order.tolist() == expected
    assert settings.best() == best_positions([runs_by_setting(scores)])[0] == expected[0]
    assert settings.best(np.array([0, 6, 1])) == (1 if higher_is_better else 6)


class TestBest:
    def test_step_weighted(self, tmp_path: Path) -> None:
        """Many short good episodes do not outweigh a long bad one: steps count, not episodes."""
        runs = [
            make_run(0, 0, 0, [0.0] * 9 + [-100.0], [1] * 9 + [91]),  # mean over episodes -10
            make_run(1, 1, 0, [-50.0] * 10, [10] * 10),  # mean over episodes -50
        ]
        found = best(opened(tmp_path, 2, runs))
        assert (found.number, found.mean) == (1, -50.0)

    def test_mean_over_runs(self, tmp_path: Path) -> None:
        """A setting is as good as its runs are on average, however many they are."""
        runs = [make_run(0, 0, 0, [-4.0], [10]), make_run(2, 0, 1, [-2.0], [900])]
        runs += [make_run(1, 1, 0, [-2.9], [5])]
        assert best(opened(tmp_path, 2, runs)).mean == -2.9

    @pytest.mark.parametrize("status", ["diverged", "failed"])
    def test_lost_run(self, tmp_path: Path, status: str) -> None:
        """A run that stopped early does not win by the returns it had until then."""
        runs = [
            make_run(0, 0, 0, [-1.0], [10], status=status),
            make_run(2, 0, 1, [-1.0], [300]),
            make_run(1, 1, 0, [-9.0], [300]),
        ]
        found = best(opened(tmp_path, 2, runs))
        assert (found.number, found.num_runs, found.num_lost) == (1, 1, 0)

    def test_all_lost_some(self, tmp_path: Path) -> None:
        """Where every setting lost runs, the smallest share wins and is reported."""
        runs = [make_run(0, 0, 0, [-1.0], [10], status="diverged"), make_run(1, 1, 0, [-5.0], [10])]
        runs += [make_run(n, 1, n // 2, [-2.0], [9], status="failed") for n in (3, 5)]
        assert best(opened(tmp_path, 2, runs)) == (1, 3, 2, -5.0)

    def test_no_episode(self, tmp_path: Path) -> None:
        """A setting without a finished episode is passed over; a run without one is lost."""
        runs = [make_run(0, 0, 0, [], [])]
        runs += [make_run(1, 1, 0, [-1.0], [10]), make_run(4, 1, 1, [], [])]
        runs += [make_run(2, 2, 0, [-7.0], [10])]
        assert best(opened(tmp_path, 3, runs)).number == 2

    def test_ties(self, tmp_path: Path) -> None:
        """Of equal settings the lowest number wins."""
        runs = [make_run(n, n, 0) for n in (3, 1, 2)]
        assert best(opened(tmp_path, 4, runs)).number == 1

    def test_repeated_record(self, tmp_path: Path) -> None:
        """A run recorded twice counts once."""
        runs = [make_run(0, 0, 0, [-2.0], [10]), make_run(1, 0, 1, [-4.0], [10])]
        experiment = make_experiment(tmp_path, runs=runs)
        experiment.write(0, runs[:1])
        data = open_data(experiment.root)
        assert best(data).num_runs == 2
        assert learning_curve(data).indices == (0, 1)

    def test_solvers(self, tmp_path: Path) -> None:
        """Without training episodes the setting of the highest mean evaluation wins, each weighted
        by the steps since the one before, the first by none."""
        runs = [
            make_solver_run(0, 0, 0, [9.0, 1.0, 5.0], [0, 100, 110]),
            make_solver_run(1, 1, 0, [-9.0, 4.0, 0.0], [0, 100, 110]),
        ]
        found = best(opened(tmp_path, 2, runs))
        assert found.number == 1
        assert found.mean == pytest.approx(400 / 110)

    def test_lost_solver(self, tmp_path: Path) -> None:
        """A run whose evaluations are not finite is lost."""
        runs = [make_solver_run(0, 0, 0, [-1.0, np.nan], [0, 9]), make_solver_run(1, 1, 0)]
        runs += [make_solver_run(2, 0, 1, [0.0, 0.0], [0, 9])]
        assert best(opened(tmp_path, 2, runs)).number == 1
