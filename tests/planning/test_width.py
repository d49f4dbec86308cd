"""How wide packs are: by speed, by runs and workers, and never beyond memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packs import small_spec

from nthrun.errors import NthrunError, PlanError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.memory_estimate import LaneMemory, lane_memory
from nthrun.planning.packs import packs_of_indices
from nthrun.planning.width import (
    AUTO,
    GPU_CONTEXT_BYTES,
    GPU_PROCESS_BYTES,
    PROCESS_BYTES,
    Workers,
    lanes_that_fit,
    pack_width,
    planned_width,
)

GB = 10**9


def spec_of(**parameters: int) -> ExperimentSpec:
    """The small experiment with other static hyperparameters."""
    return small_spec(parameters={name: [value] for name, value in parameters.items()})


def lane_of(**parameters: int) -> LaneMemory:
    """A lane of it."""
    spec = spec_of(**parameters)
    return lane_memory(spec, spec.sweep.setting(0))


LANES = st.builds(
    lane_of,
    hidden_dim=st.integers(2, 2000),
    batch_size=st.just(1),
    replay_capacity=st.integers(1, 10**9),
)
WORKERS = st.builds(
    Workers,
    st.sampled_from(["cpu", "cuda"]),
    st.sampled_from(["eager", "compile"]),
    st.integers(1, 20),
    st.none() | st.integers(0, 200 * GB),
    st.none() | st.integers(0, 200 * GB),
    st.integers(1, 4),
)


@pytest.mark.parametrize(
    ("device", "backend", "hidden_dim", "width"),
    [
        ("cpu", "eager", 16, 32),
        ("cpu", "eager", 64, 32),
        ("cpu", "eager", 256, 8),
        ("cpu", "eager", 512, 2),
        ("cpu", "eager", 2048, 1),
        ("cpu", "compile", 64, 8),
        ("cpu", "compile", 2048, 8),
        ("cuda", "eager", 64, 4096),
    ],
)
def test_the_fastest_width(device: str, backend: str, hidden_dim: int, width: int) -> None:
    """Where runs and memory abound, device, backend and state decide."""
    lane = lane_of(hidden_dim=hidden_dim, batch_size=32)
    assert pack_width(lane, Workers(device, backend), 10**6) == width


@given(LANES, WORKERS, st.integers(1, 10**6), st.just(AUTO) | st.integers(1, 65_536))
def test_no_pack_exceeds_memory(
    lane: LaneMemory, workers: Workers, num_runs: int, asked: int
) -> None:
    """A pack has at least one lane, as many as asked at most and as each worker has runs, and as
    many lanes as it has fit the share of host and GPU that one worker has; or it is refused
    because even one does not fit."""
    num = min(workers.num, num_runs)
    shares = [(workers.host_bytes, num, PROCESS_BYTES, lane.host)]
    if workers.device == "cuda":
        shares[0] = (workers.host_bytes, num, GPU_PROCESS_BYTES, lane.host)
        per_gpu = -(-num // workers.num_gpus)
        shares += [(workers.device_bytes, per_gpu, GPU_CONTEXT_BYTES, lane.device)]
    bounds = [(total // n - base, size) for total, n, base, size in shares if total is not None]
    try:
        width = pack_width(lane, workers, num_runs, asked)
    except PlanError:
        assert any(size > max(share, 0) for share, size in bounds)
        return
    assert 1 <= width <= -(-num_runs // num)
    assert asked == AUTO or width <= asked
    assert all(width * size <= share for share, size in bounds)


@given(LANES, WORKERS, st.integers(1, 10**6), st.just(AUTO) | st.integers(1, 65_536), st.data())
def test_more_memory_never_makes_packs_narrower(
    lane: LaneMemory, workers: Workers, num_runs: int, asked: int, data: st.DataObject
) -> None:
    """Width grows with memory, if it changes at all."""
    host = data.draw(st.integers(0, 400 * GB))
    more = host + data.draw(st.integers(0, 400 * GB))
    widths = []
    for size in (host, more):
        try:
            widths.append(pack_width(lane, replace(workers, host_bytes=size), num_runs, asked))
        except PlanError:
            widths.append(0)
    assert widths[0] <= widths[1]


def test_workers_share_runs_and_memory() -> None:
    """With more workers each has its part of the runs and of the memory."""
    lane = lane_of(hidden_dim=64)
    assert pack_width(lane, Workers("cpu", "eager", 4), 30) == 8
    assert pack_width(lane, Workers("cpu", "eager", 64), 30) == 1
    memory = 4 * PROCESS_BYTES + 12 * lane.host
    assert pack_width(lane, Workers("cpu", "eager", 1, memory), 100, 100) > 12
    assert pack_width(lane, Workers("cpu", "eager", 4, memory), 100, 100) == 3


def test_a_width_asked_for_that_does_not_fit_is_split() -> None:
    """--pack N is a maximum: what does not fit together trains in smaller packs."""
    lane = lane_of(hidden_dim=64)
    memory = PROCESS_BYTES + 5 * lane.host + 1
    assert pack_width(lane, Workers("cpu", "compile", 1, memory), 100, 50) == 5
    assert pack_width(lane, Workers("cpu", "compile", 1), 100, 50) == 50


def test_a_run_that_does_not_fit_is_refused_with_its_sizes() -> None:
    """The refusal names what is needed, what of it is replay and state, what there is, and what to
    do; it is a fault of the input."""
    lane = lane_of(replay_capacity=10**9)
    with pytest.raises(PlanError) as caught:
        pack_width(lane, Workers("cpu", "eager", 4, 20 * GB), 10)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, (NthrunError, ValueError))
    [line] = caught.value.lines()
    assert line == (
        "one run needs 36 GB of memory: replay 1,000,000,000 rows x 36 B = 36 GB, "
        "state 17.4 kB, series, steps and copies for checkpoints 232 kB; available: 4.6 GB for "
        "each of 4 workers; hint: give a smaller replay_capacity, record fewer series, use fewer "
        "--workers, or take a machine with more memory"
    )


def test_the_gpu_may_be_what_is_too_small() -> None:
    """A refusal says which memory it is; captured graphs hold copies of the replay there."""
    workers = Workers("cuda", "eager", 1, 500 * GB, 16 * GB)
    with pytest.raises(
        PlanError, match=r"needs 144 GB of GPU memory: replay .* = 36 GB.*available: 15 GB"
    ):
        pack_width(lane_of(replay_capacity=10**9), workers, 10)


def test_nothing_is_planned_before_every_group_fits() -> None:
    """A group without room is refused before the first pack of any other is given."""
    spec = small_spec(parameters={"replay_capacity": [100, 10**9]})
    width = planned_width(spec, Workers("cpu", "eager", 1, 2 * GB), 12)
    with pytest.raises(PlanError):
        next(packs_of_indices(spec, range(12), width))


def test_groups_have_widths_of_their_own() -> None:
    """Each group of static hyperparameters is as wide as its own state allows."""
    spec = small_spec(parameters={"hidden_dim": [16, 256]})
    width = planned_width(spec, Workers("cpu", "eager"), 480)
    widths = {len(group) for group in packs_of_indices(spec, range(480), width)}
    assert widths == {32, 8, 240 % 32}


def test_what_a_process_needs_once_is_left_free() -> None:
    """What a process holds once takes from the memory of all its lanes together."""
    lane = lane_of()
    for once in (0, GB):
        workers = Workers("cpu", "eager", 1, PROCESS_BYTES + GB + 3 * lane.host)
        fitting = lanes_that_fit(replace(lane, once=once), workers)
        assert fitting == (3 * lane.host + GB - once) // lane.host
