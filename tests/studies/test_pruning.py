"""Laws of pruning: which runs are ended, by rules worked out by hand and by definition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from checkpoints import experiment_in
from hypothesis import given
from hypothesis import strategies as st
from packs import ENVIRONMENT, PARAMETERS

from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.studies.journal import REPORT, Journal
from nthrun.studies.pruning import Pruner, below_median, pruner_of, rungs, survives

INTERVAL = 100
VALUES = st.integers(-3, 3).map(float)
TABLES = st.dictionaries(
    st.integers(0, 8),
    st.lists(VALUES, min_size=1, max_size=4),
    min_size=1,
    max_size=8,
)
"""Run -> its value at each evaluation it has reached."""


def spec_with(environment: Mapping[str, Any] | None = None, **search: Any) -> ExperimentSpec:
    """The small experiment with a search."""
    agent = {"agent_name": "SAC", "parameters": PARAMETERS, "search": search}
    return experiment_spec_of(ENVIRONMENT | dict(environment or {}), agent, "agent.json")


def make_pruner(root: Path, **search: Any) -> Pruner:
    """A pruner of a journal."""
    return Pruner(Journal(root), spec_with(**search).agent.search, INTERVAL)


def by_step(table: Mapping[int, Sequence[float]]) -> dict[int, dict[int, float]]:
    """What runs reported: run -> step -> value."""
    return {
        run: {INTERVAL * (place + 1): value for place, value in enumerate(values)}
        for run, values in table.items()
    }


@given(table=TABLES)
def test_the_median_rule_is_its_definition(table: dict[int, list[float]]) -> None:
    """A run is below the median just if at least half of the others, at its step, were better than
    all it ever was, by the median's definition: half of two middle ones where they are even."""
    for run, values in table.items():
        for place in range(len(values)):
            others = sorted(v[place] for r, v in table.items() if r != run and len(v) > place)
            half = len(others) // 2
            found = below_median(by_step(table), run, INTERVAL * (place + 1))
            if not others:
                assert not found
                continue
            median = others[half] if len(others) % 2 else (others[half - 1] + others[half]) / 2
            assert found == (max(values[: place + 1]) < median)


@pytest.mark.parametrize(
    ("values", "ended"),
    [
        ([1.0], False),
        ([3.0], False),
        ([5.0, 1.0], False),  # it was good once
        ([1.0, 1.5], True),
        ([1.0, 2.0], False),  # as good as the median is not below it
        ([-math.inf, -math.inf], True),
    ],
)
def test_the_median_rule_by_hand(values: list[float], ended: bool) -> None:
    """Beside runs that had 1, 2 and 4 at the second evaluation, less than 2 so far is ended."""
    table = {0: [0.0, 1.0], 1: [0.0, 2.0], 2: [0.0, 4.0], 3: values}
    found = below_median(by_step(table), 3, INTERVAL * len(values))
    assert found == ended


@pytest.mark.parametrize(
    ("first", "reduction", "interval", "last", "found"),
    [
        (100, 3, 100, 1000, {100, 300, 900}),
        (100, 2, 100, 1000, {100, 200, 400, 800}),
        (150, 2, 100, 1000, {200, 300, 600}),  # 150, 300, 600 and 1200
        (1, 2, 100, 300, {100, 200, 300}),  # 1, 2, 4, ..., 64, 128 and 256
        (100, 3, 100, 99, set()),
    ],
)
def test_rungs_by_hand(
    first: int, reduction: int, interval: int, last: int, found: set[int]
) -> None:
    """Rungs are powers apart, each at the next evaluation."""
    assert rungs(first, reduction, interval, last) == found


@given(values=st.lists(VALUES, min_size=1, max_size=12), reduction=st.integers(2, 5))
def test_halving_is_its_definition(values: list[float], reduction: int) -> None:
    """As many survive a rung as are among the best 1/reduction, at least one, and their equals;
    who survives is not worse than who does not."""
    alive = [survives(value, values, reduction) for value in values]
    better = [sum(other > value for other in values) for value in values]
    places = max(len(values) // reduction, 1)
    assert alive == [num_better < places for num_better in better]


def test_runs_are_pruned_by_what_all_processes_reported(tmp_path: Path) -> None:
    """A pruner knows what another process's pruner was told, before and after it began."""
    first = make_pruner(tmp_path, pruner="median", pruner_startup_runs=2)
    second = make_pruner(tmp_path, pruner="median", pruner_startup_runs=2)
    assert first.should_prune([0, 1], 100, [1.0, 2.0]) == [False, False]
    assert second.should_prune([2], 100, [0.0]) == [True]
    assert second.should_prune([3], 100, [9.0]) == [False]
    assert first.should_prune([4, 5], 100, [1.5, 3.0]) == [True, False]
    assert first.should_prune([0], 200, [0.0]) == [False]  # the first there
    reported = [(e[REPORT], e["step"], e["value"]) for e in Journal(tmp_path).events()]
    assert reported[:3] == [(0, 100, 1.0), (1, 100, 2.0), (2, 100, 0.0)]


def test_nothing_is_ended_before_enough_others(tmp_path: Path) -> None:
    """With N startup runs nothing is ended until N other runs have come as far."""
    for number, pruner in enumerate(("median", "successive_halving")):
        root = tmp_path / str(number)
        found = make_pruner(root, pruner=pruner, pruner_startup_runs=3)
        ended = [found.should_prune([n], 100, [-float(n)])[0] for n in range(6)]
        assert ended == [False, False, False, True, True, True]


def test_nothing_is_ended_in_the_warmup(tmp_path: Path) -> None:
    """Nothing is ended before the warm-up is over: the median ends runs from there on, halving at
    its first rung there."""
    for pruner, steps in (("median", [200, 300, 400, 500]), ("successive_halving", [200])):
        search = {"pruner": pruner, "pruner_startup_runs": 0, "pruner_warmup_timesteps": 200}
        found = make_pruner(tmp_path / pruner, **search)
        ended = []
        for step in (100, 200, 300, 400, 500):
            found.should_prune([0], step, [1.0])
            ended += [step] * found.should_prune([1], step, [0.0])[0]
        assert ended == steps


def test_halving_ends_runs_at_rungs_only(tmp_path: Path) -> None:
    """The worse of two is ended at the first rung, or else at the next, and not between them."""
    found = make_pruner(
        tmp_path, pruner="successive_halving", pruner_startup_runs=0, pruner_reduction=3
    )
    ended = []
    for step in range(100, 1000, 100):
        found.should_prune([0], step, [1.0])
        ended += [step] * found.should_prune([1], step, [0.0])[0]
    assert ended == [100, 300, 900]


def test_what_is_no_number_is_the_worst(tmp_path: Path) -> None:
    """A run whose evaluation is NaN is ended beside any other, and ends no other."""
    for pruner in ("median", "successive_halving"):
        found = make_pruner(tmp_path / pruner, pruner=pruner, pruner_startup_runs=0)
        assert found.should_prune([0, 1, 2], 100, [math.nan, -1e9, -1e9]) == [True, False, False]


def test_confirmations_are_not_pruned(tmp_path: Path) -> None:
    """Runs of stage 0 are pruned, where a pruner is named; those of later stages never."""
    spec = spec_with(pruner="median")
    experiment = experiment_in(tmp_path / "pruned", spec)
    assert pruner_of(spec, experiment, 0) is not None
    assert pruner_of(spec, experiment, 1) is None
    assert pruner_of(spec_with(), experiment, 0) is None


def test_pruning_needs_evaluations() -> None:
    """Without evaluation episodes a pruner is refused in one line that names its key."""
    with pytest.raises(SpecError) as refused:
        spec_with({"eval_episodes": 0}, pruner="median")
    [line] = str(refused.value).splitlines()
    assert "search.pruner: runs are compared at their evaluations, and eval_episodes is 0" in line
    assert "hint: give eval_episodes" in line
