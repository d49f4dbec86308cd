"""Indices to packs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from packs import small_spec

from nthrun.planning.packs import plan_packs, plan_run

SPEC = small_spec(parameters={"batch_size": [8, 16], "hidden_dim": [16, 32]})
STATIC = SPEC.agent.declaration.static_names()


@given(st.sets(st.integers(0, 200), max_size=60), st.integers(1, 20), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_run_is_on_exactly_one_lane(indices: set[int], width: int, stage: int) -> None:
    """Packs hold every run once, are no wider than asked, and never mix static hyperparameters
    or starting steps."""
    runs = [plan_run(SPEC, index, stage, 100 * (index % 3 == 0)) for index in sorted(indices)]
    packs = list(plan_packs(runs, STATIC, width))
    assert sorted(run.index for pack in packs for run in pack.runs) == sorted(indices)
    for pack in packs:
        assert 1 <= len(pack.runs) <= width
        assert pack.stage == stage
        assert {run.start_step for run in pack.runs} == {pack.start_step}
        for run in pack.runs:
            assert {name: run.setting[name] for name in STATIC} == pack.statics


def test_a_planned_run_knows_its_setting_and_seed() -> None:
    """Setting, run number and seed follow from index and stage alone."""
    run = plan_run(SPEC, 25, 2)
    assert (run.setting_number, run.run_number) == (1, 1)
    assert run.random_seed == 2 * 2**32 + 1
    assert run.setting["critic_lr"] == 0.0003
    assert run.setting["tau"] == 0.005
