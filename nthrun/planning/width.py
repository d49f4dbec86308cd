"""Width: how many lanes a pack may have, by speed, by the number of runs, and by memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nthrun.errors import PlanError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import free_gpu_bytes, host_memory, readable
from nthrun.planning.memory_estimate import LaneMemory, lane_memory
from nthrun.specs.declaration import Setting
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.search.search_spec import BAYES

AUTO = 0
EAGER_STATE_BYTES = 24_000_000
"""State that an eager pack on a CPU core goes through without leaving its cache too much
[measured: networks 64 wide are fastest at 32 lanes, 256 wide at 8]."""
EAGER_WIDTH = 32
COMPILED_WIDTH = 8
"""A compiled pack trains lane after lane: more of them only spread Python's cost further."""
GPU_WIDTH = 4096
MAX_WIDTH = 65_536
PROCESS_BYTES = 400_000_000
"""A process that has imported torch and trained a little [measured: 340 MB]."""
GPU_PROCESS_BYTES = 3_000_000_000
"""The same with a CUDA context [assumed]."""
GPU_CONTEXT_BYTES = 1_000_000_000
"""The context and its allocator's slack on the GPU [assumed]."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that will train.

    Attributes:
        device: "cpu" or "cuda".
        backend: "eager", "compile", ...
        num: how many there are, sharing the memory equally.
        host_bytes: memory left to all of them; None is no known bound.
        device_bytes: free memory of the fullest GPU likewise.
        num_gpus: how many the workers are spread over.
    """

    device: str
    backend: str
    num: int = 1
    host_bytes: int | None = None
    device_bytes: int | None = None
    num_gpus: int = 1

    def host_share(self) -> int | None:
        """Bytes of the host that one worker has for its pack."""
        base = GPU_PROCESS_BYTES if self.device == "cuda" else PROCESS_BYTES
        return _share(self.host_bytes, self.num, base)

    def device_share(self) -> int | None:
        """Bytes of a GPU that one worker has for its pack; None on a CPU."""
        bound = self.device_bytes if self.device == "cuda" else None
        return _share(bound, -(-self.num // self.num_gpus), GPU_CONTEXT_BYTES)


def workers_here(device: str, backend: str, num: int) -> Workers:
    """Workers on this machine, with the memory that is free on it now."""
    gpus = free_gpu_bytes() if device == "cuda" else []
    free = min(gpus, default=None)
    return Workers(device, backend, num, host_memory(), free, max(len(gpus), 1))


def pack_width(lane: LaneMemory, workers: Workers, num_runs: int, asked: int = AUTO) -> int:
    """Lanes of a pack at most.

    Args:
        lane: what each costs.
        workers: that train the packs.
        num_runs: to be trained in all, at least 1; no more than each worker's part of them share
            a pack.
        asked: lanes at most; `AUTO` is as many as train fastest.

    Raises:
        PlanError: not even one lane fits in memory.
    """
    workers = replace(workers, num=min(workers.num, num_runs))
    fitting = lanes_that_fit(lane, workers)
    if fitting == 0:
        raise _does_not_fit(lane, workers)
    width = asked or _fastest(lane, workers, fitting)
    return min(width, fitting, -(-num_runs // workers.num))


def planned_width(
    spec: ExperimentSpec, workers: Workers, num_runs: int, asked: int = AUTO
) -> Callable[[Setting], int]:
    """`pack_width` for the runs of a setting, as `packs_of_indices` asks for it."""
    asked = 1 if spec.agent.program is not None else asked_width(spec, asked)

    def width(setting: Setting) -> int:
        return pack_width(lane_memory(spec, setting), workers, num_runs, asked)

    return width


def asked_width(spec: ExperimentSpec, asked: int) -> int:
    """Lanes of a pack at most, as asked; one for settings that are suggested one after another,
    each in the light of those before, unless more are asked for."""
    return 1 if asked == AUTO and spec.agent.search.method == BAYES else asked


def lanes_that_fit(lane: LaneMemory, workers: Workers) -> int:
    """How many lanes the memory of one worker holds, at most `MAX_WIDTH`."""
    shares = ((_host_left(lane, workers), lane.host), (workers.device_share(), lane.device))
    return min([MAX_WIDTH, *(share // size for share, size in shares if share is not None)])


def _host_left(lane: LaneMemory, workers: Workers) -> int | None:
    """Bytes of the host that one worker has for lanes."""
    share = workers.host_share()
    return None if share is None else max(share - lane.once, 0)


def _fastest(lane: LaneMemory, workers: Workers, fitting: int) -> int:
    """The width at which a worker trains fastest, a power of two."""
    if workers.device == "cuda":
        return _power_of_two(min(fitting, GPU_WIDTH))
    if workers.backend != "eager":
        return COMPILED_WIDTH
    return _power_of_two(max(1, min(EAGER_STATE_BYTES // (lane.state - lane.episode), EAGER_WIDTH)))


def _power_of_two(number: int) -> int:
    """The largest one that is not above a number from 1."""
    return 1 << (number.bit_length() - 1)


def _share(total: int | None, num: int, base: int) -> int | None:
    return None if total is None else max(total // num - base, 0)


def _does_not_fit(lane: LaneMemory, workers: Workers) -> PlanError:
    share, need, place = _host_left(lane, workers), lane.host, "memory"
    if lane.agent == AgentFootprint():  # of a program, of which only `needs` is known
        return PlanError(
            f"one run needs {readable(need)} of memory, as `needs` says; available: "
            f"{readable(share or 0)} for each of {workers.num} worker{'s' * (workers.num != 1)}",
            "use fewer --workers, or take a machine with more memory",
        )
    on_device = workers.device_share()
    if on_device is not None and lane.device > on_device:
        share, need, place = on_device, lane.device, "GPU memory"
    agent, rest = lane.agent, need - lane.replay - lane.state
    replay, less = "", "fewer worlds or smaller networks"
    if agent.replay_capacity:
        rows = f"{agent.replay_capacity:,} rows x {agent.replay_row_bytes} B"
        replay, less = f"replay {rows} = {readable(lane.replay)}, ", "a smaller replay_capacity"
    return PlanError(
        f"one run needs {readable(need)} of {place}: {replay}state {readable(lane.state)}, "
        f"series, steps and copies for checkpoints {readable(rest)}; "
        f"available: {readable(share or 0)} for each of {workers.num} "
        f"worker{'s' * (workers.num != 1)}",
        f"give {less}, record fewer series, use fewer --workers, "
        "or take a machine with more memory",
    )
