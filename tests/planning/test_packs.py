"""Indices to packs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import small_spec

from nthrun.errors import IndexSpecError
from nthrun.planning.packs import packs_of_indices, packs_of_runs, plan_run, static_groups

SPEC = small_spec(parameters={"batch_size": [8, 16], "hidden_dim": [16, 32]})
STATIC = SPEC.agent.declaration.static_names()
COUPLED = small_spec(
    parameters={"tau/target_update_interval": [[0.1, 1], [0.2, 2], [0.3, 1]], "alpha_lr": [0, 1]}
)
"""Two of the three values of a key have equal static hyperparameters."""


@given(st.sets(st.integers(0, 200), max_size=60), st.integers(1, 20), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_run_is_on_exactly_one_lane(indices: set[int], width: int, stage: int) -> None:
    """Packs hold every run once, are no wider than asked, and never mix static hyperparameters
    or starting steps."""
    runs = [plan_run(SPEC, index, stage, 100 * (index % 3 == 0)) for index in sorted(indices)]
    packs = list(packs_of_runs(runs, STATIC, width))
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


@given(st.sets(st.integers(0, 200), max_size=60), st.integers(1, 20), st.booleans())
@settings(max_examples=200, deadline=None)
def test_groups_partition_the_indices(indices: set[int], width: int, coupled: bool) -> None:
    """Every index is in exactly one group, groups are no wider than asked, and two indices share a
    static group just if their static hyperparameters are equal; all is in ascending order."""
    spec = COUPLED if coupled else SPEC

    def statics(index: int) -> tuple[object, ...]:
        setting = spec.sweep.setting(spec.sweep.locate(index)[0])
        return tuple(setting[name] for name in STATIC)

    groups = static_groups(spec, sorted(indices))
    assert sorted(index for group in groups for index in group) == sorted(indices)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    assert all(group == sorted(group) for group in groups)
    assert len({statics(group[0]) for group in groups}) == len(groups)
    assert all(len({statics(index) for index in group}) == 1 for group in groups)
    packs = list(packs_of_indices(spec, sorted(indices), width))
    assert [i for pack in packs for i in pack] == [i for group in groups for i in group]
    assert all(1 <= len(pack) <= width for pack in packs)


def test_an_index_out_of_range_joins_no_group() -> None:
    """The last index of a group is checked, and the others are smaller."""
    last = SPEC.sweep.num_settings * 2**32 - 1
    assert static_groups(SPEC, [0, last]) == [[0], [last]]
    with pytest.raises(IndexSpecError):
        static_groups(SPEC, [0, last + 1])
