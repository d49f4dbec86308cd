"""Laws of what training episodes show of runs that act in several worlds at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run
from hypothesis import given
from hypothesis import strategies as st
from in_process import ended

from nthrun.__main__ import commands
from nthrun.analysis.curves import learning_curve
from nthrun.analysis.scores import read_scores
from nthrun.analysis.worlds import by_world, side_by_side, worlds_of_episodes
from nthrun.errors import DamagedFileError
from nthrun.records import Data, open_data
from nthrun.records.record_table import Ragged
from nthrun.records.schema import EPISODE_ENDS, Run

Played = list[list[tuple[float, int]]]
"""Of every world, return and length of its episodes."""
EPISODE = st.tuples(st.integers(-9, 9).map(float), st.integers(1, 9))
WORLDS = st.lists(st.lists(EPISODE, max_size=5), min_size=1, max_size=4).filter(any)


def in_order(played: Played) -> list[tuple[int, float, int]]:
    """(number of its last training step, return, length) of every episode, as records have them."""
    found = []
    for world, episodes in enumerate(played):
        steps = 0
        for value, length in episodes:
            steps += length
            found.append(((steps - 1) * len(played) + world + 1, value, length))
    return sorted(found)


def step_by_step(played: Played) -> list[float]:
    """The mean over worlds at every step of them, by a plain loop."""
    rows = [[value for value, length in world for _ in range(length)] for world in played]
    most = max(len(row) for row in rows)
    return [float(np.mean([row[n] for row in rows if n < len(row)])) for n in range(most)]


def run_of(index: int, number: int, played: Played, total: int, unfinished: float) -> Run:
    """The record of a run whose last episodes were all cut off at one return."""
    ends, returns, lengths = zip(*in_order(played), strict=True)
    more = {EPISODE_ENDS: np.array(ends)} if len(played) > 1 else {}
    worlds = {"agent_params": {"num_worlds": len(played)}, "total_timesteps": total}
    left = total - sum(lengths)
    cut = {"unfinished_episode_reward": unfinished, "unfinished_episode_steps": left}
    return make_run(index, number, 0, returns, lengths, **worlds, **cut, **more)


@given(st.lists(WORLDS, min_size=1, max_size=3))
def test_a_step_stands_for_what_all_worlds_play(runs: list[Played]) -> None:
    """Means of runs with any numbers of worlds are those of a plain loop over their steps, each of
    which is as many training steps as the run has worlds."""
    num_worlds = np.array([len(played) for played in runs])
    episodes = [episode for played in runs for episode in in_order(played)]
    columns = [np.array(column) for column in zip(*episodes, strict=True)]
    sizes = np.array([len(in_order(played)) for played in runs])
    offsets = np.append(0, np.cumsum(sizes))
    ends, values, lengths = (Ragged(column, offsets) for column in columns)
    rows = worlds_of_episodes(ends, sizes, num_worlds)
    worlds, steps = (by_world(each, rows, int(num_worlds.sum())) for each in (values, lengths))
    means, taken = side_by_side(worlds, steps.values, num_worlds)
    for number, played in enumerate(runs):
        own = slice(*means.offsets[number : number + 2])
        assert not (taken[own] % len(played)).any()
        found = np.repeat(means.row(number), taken[own] // len(played))
        np.testing.assert_allclose(found, step_by_step(played), atol=1e-12)


LONG_AND_SHORT: Played = [[(10.0, 2)] * 4, [(0.0, 6)]]
"""Two worlds, eight steps of both; the second's last two steps are of no finished episode."""


def test_a_curve_places_episodes_where_they_were_played(tmp_path: Path) -> None:
    """A curve of two worlds goes up to the last end of an episode, and has at each training step
    the mean of what both play; a run of one world beside it stays as it was."""
    one: Played = [[(1.0, 4), (3.0, 12)]]
    runs = [run_of(0, 0, LONG_AND_SHORT, 16, 4.0), run_of(1, 1, one, 16, 0.0)]
    data = open_data(make_experiment(tmp_path, 2, runs=runs).root)
    curve = learning_curve(data, 0)
    assert curve.grid.tolist() == list(range(1, 17))
    assert curve.runs.tolist() == [[5.0] * 12 + [10.0] * 4]
    assert learning_curve(data, 1).runs.tolist() == [[1.0] * 4 + [3.0] * 12]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 5.5),
        ({"last": 25}, 7.0),
        ({"last": 50}, 6.0),
        ({"up_to": 8}, 5.0),
        ({"up_to": 6}, 25 / 6),
    ],
    ids=str,
)
def test_scores_count_what_was_played_then(
    tmp_path: Path, options: dict[str, float], expected: float
) -> None:
    """The score of the last steps, or of the first ones, is of what all worlds played in them; what
    was cut off counts with its return so far."""
    run = run_of(0, 0, LONG_AND_SHORT, 16, 4.0)
    data = open_data(make_experiment(tmp_path, 1, runs=[run]).root)
    assert read_scores(data, **options).values.tolist() == [pytest.approx(expected)]


def with_damage(folder: Path, **changes: object) -> Path:
    """An experiment of two records of two worlds each, in files of their own, of which one has
    changes."""
    experiment = make_experiment(folder, 2)
    for number in range(2):
        run = run_of(number, number, LONG_AND_SHORT, 16, 4.0)
        experiment.write(0, [Run(run | changes) if number else run])
    return experiment.root


@pytest.mark.parametrize("worlds", ["x", -1, 0, 3, 10**9, None, True], ids=str)
def test_records_of_no_number_of_worlds_are_left_out(tmp_path: Path, worlds: object) -> None:
    """A record whose worlds are none that its steps divide among is damaged, however it is read;
    the other one counts as ever."""
    data = open_data(with_damage(tmp_path, agent_params={"num_worlds": worlds}))
    for read in (read_scores, entries_read):
        with pytest.raises(DamagedFileError, match="num_worlds"):
            read(data)
    sound = data.without_damaged()
    assert read_scores(sound).values.tolist() == [5.5]
    assert [path.parent.name for path, _ in sound.unreadable] == ["runs"]


def entries_read(data: Data) -> None:
    """Read all of every run."""
    for entry in data.entries:
        entry.load(())


def test_a_damaged_number_of_worlds_is_said(tmp_path: Path) -> None:
    """A command names the file that is left out, and says so by its exit status."""
    root = with_damage(tmp_path, **{EPISODE_ENDS: np.array([3, 6, 9, 12, 17])})
    done = ended(commands, "best", root, "--no-write")
    assert done.code == 1
    assert "train_episode_ends: allowed: 1 to total_timesteps); left out" in done.err
    assert "setting 0 is the best" in done.out
