"""Laws of seeds: a run's numbers depend on its stage and run number, and on nothing else."""

from __future__ import annotations

import inspect
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.packs import plan_run
from nthrun.specs.seeds import MAX_RUN_NUMBER, MAX_STAGE, Purpose, random_seed

CONFIG = Path(__file__).parents[2] / "config"
STAGES = st.integers(0, MAX_STAGE)
RUN_NUMBERS = st.integers(0, MAX_RUN_NUMBER)


@given(stage=STAGES, run_number=RUN_NUMBERS)
def test_stage_and_run_number_can_be_read_back(stage: int, run_number: int) -> None:
    """Seeds are one-to-one with (stage, run number), so stages and runs never share one."""
    assert divmod(random_seed(stage, run_number), 2**32) == (stage, run_number)


@given(stage=st.integers(0, MAX_STAGE - 1))
def test_stages_are_disjoint(stage: int) -> None:
    """The last seed of a stage comes before the first of the next."""
    assert random_seed(stage, MAX_RUN_NUMBER) < random_seed(stage + 1, 0)


@given(first=st.integers(0, 79), second=st.integers(0, 79), run_number=RUN_NUMBERS, stage=STAGES)
def test_settings_share_seeds(first: int, second: int, run_number: int, stage: int) -> None:
    """Runs of one stage and run number have one seed, whatever their setting."""
    spec = read_experiment_spec(
        [str(CONFIG / "environment/PendulumContinuous-v1.json")],
        [str(CONFIG / "agent/SAC_classic_sweep.json")],
    )
    runs = [
        plan_run(spec, spec.sweep.index(setting_number, run_number), stage)
        for setting_number in (first, second)
    ]
    assert {run.random_seed for run in runs} == {random_seed(stage, run_number)}
    assert list(inspect.signature(random_seed).parameters) == ["stage", "run_number"]


@pytest.mark.parametrize(
    ("stage", "run_number"),
    [(-1, 0), (0, -1), (0, MAX_RUN_NUMBER + 1), (MAX_STAGE + 1, 0)],
)
def test_out_of_range(stage: int, run_number: int) -> None:
    """A stage or run number whose seed would be another's is refused."""
    with pytest.raises(ValueError, match="out of range"):
        random_seed(stage, run_number)


@given(stage=STAGES, run_number=RUN_NUMBERS)
def test_purposes_have_streams_of_their_own(stage: int, run_number: int) -> None:
    """The streams of one run's purposes differ, and each can be drawn again."""
    seed = random_seed(stage, run_number)
    states = [
        tuple(np.random.SeedSequence(seed, spawn_key=(purpose,)).generate_state(4))
        for purpose in Purpose
    ]
    assert all(one != other for one, other in combinations(states, 2))
    again = np.random.SeedSequence(seed, spawn_key=(Purpose.AGENT,)).generate_state(4)
    assert tuple(again) == states[Purpose.AGENT]


def test_purposes_are_numbered_for_good() -> None:
    """The numbers of the purposes are part of every record's meaning: they never change."""
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "INITIALISATION": 0,
        "ENVIRONMENT": 1,
        "AGENT": 2,
        "REPLAY": 3,
        "EVALUATION": 4,
    }
