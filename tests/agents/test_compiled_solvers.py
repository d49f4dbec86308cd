"""Solvers whose iterations are native code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agents.solver_runs import ENVIRONMENT, SOLVERS, solver_spec
from checkpoints import attempt, experiment_in
from packs import run_of_same_bits, train

from nthrun.errors import InterruptedRunError, UnsupportedOperationError
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.specs.solver_limits import SOLVER_SERIES
from nthrun.training.backends import try_compiled

QUICK = "mc_pg"
"""One whose iterations have gradients through loops."""
STEPS = 4
EVERY = {
    "total_timesteps": STEPS,
    "eval_interval_timesteps": 1,
    "record": list(SOLVER_SERIES),
    "checkpoint_interval_seconds": 1e-9,
}


@pytest.mark.parametrize(
    "agent",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SOLVERS],
)
def test_a_compiled_solver_is_the_same_alone_packed_and_interrupted(
    tmp_path: Path, agent: str
) -> None:
    """Alone, in packs, and interrupted after every iteration, a run of a solver in native code has
    the same bits; its numbers, of what later iterations have learned too, are those of torch's own
    operations."""
    parameters = {"policy_hidden": [[8]]} if agent == QUICK else {}
    spec = solver_spec(agent, parameters, EVERY)
    alone = run_of_same_bits(spec, 1, ([2, 1, 3],), "compile")
    experiment = experiment_in(tmp_path, spec)
    for indices in ([0, 1], [1], [1]):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, 1, "compile")
    runs = {run["index"]: run for run in attempt(spec, experiment, [0, 1], None, "compile")}
    assert [part["step"] for part in runs[1]["provenance"]["attempts"]] == list(range(STEPS))
    assert first_difference(runs[1], alone) is None
    eager = train(spec, [1])[1]
    for key in ("metrics", "learned_params"):
        for name, numbers in eager.get(key, {}).items():
            np.testing.assert_allclose(alone[key][name], numbers, rtol=1e-3, atol=1e-5)


def test_what_a_solver_does_that_cannot_be_compiled_is_said_first() -> None:
    """A solver that looks at a tensor's numbers cannot be compiled, and that is known before it
    trains; nor can any be compiled for a GPU."""
    document = {"agent_name": "cyclic:Cyclic", "parameters": {"slip": ["a number"]}}
    spec = experiment_spec_of(ENVIRONMENT, document, "test")
    with pytest.raises(UnsupportedOperationError, match=r"cannot be (traced|compiled)"):
        try_compiled(spec, "cpu")
    with pytest.raises(UnsupportedOperationError, match=r"is a solver, .* a CPU alone"):
        try_compiled(spec, "cuda")
