"""Seeds: a run's generators grow from its stage and run number, and from nothing else.

    random_seed = stage * 2**32 + run_number

so seeds of different stages are disjoint, and settings of the same run number share their seed
(common random numbers). Each purpose has its own stream, numpy's
`SeedSequence(random_seed, spawn_key=(purpose,))`; evaluation number k uses `(EVALUATION, k)`,
and the first reset `(ENVIRONMENT, 0)`.
"""

from __future__ import annotations

from enum import IntEnum

RUNS_PER_STAGE = 2**32
MAX_RUN_NUMBER = RUNS_PER_STAGE - 1
MAX_STAGE = 2**20


class Purpose(IntEnum):
    """What a stream's numbers are for; the numbers are part of every record's meaning."""

    INITIALISATION = 0
    ENVIRONMENT = 1
    AGENT = 2
    REPLAY = 3
    EVALUATION = 4


def random_seed(stage: int, run_number: int) -> int:
    """The seed of a run.

    Args:
        stage: 0 for the sweep; 1, 2, ... for confirmations on fresh seeds.
        run_number: the replicate, `0 <= run_number < 2**32`.
    """
    if not (0 <= run_number < RUNS_PER_STAGE and 0 <= stage <= MAX_STAGE):
        raise ValueError(f"stage {stage}, run number {run_number}: out of range")
    return stage * RUNS_PER_STAGE + run_number
