"""Which part of a solver's cycle a step runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agents.solver_runs import ENVIRONMENT
from checkpoints import attempt, experiment_in
from cyclic import FIRST, SECOND
from packs import pack_of, train
from training.steppers.test_graphed import called

from nthrun.errors import ContractError, InterruptedRunError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import first_difference
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.steppers.graphed import GraphedStepper


def spec_of(updates: tuple[int, ...] = (2,), slip: str = "none") -> ExperimentSpec:
    """A small experiment of the cyclic solver."""
    parameters = {"updates": list(updates), "slip": [slip]}
    document = {"agent_name": "cyclic:Cyclic", "parameters": parameters}
    return experiment_spec_of(ENVIRONMENT, document, "test")


@pytest.mark.parametrize("updates", [1, 2, 5])
def test_a_step_runs_the_part_that_its_number_says(updates: int) -> None:
    """Each step runs the part that `variant_at` gives of its number, whatever blocks it is in."""
    metrics = train(spec_of((updates,)), [0])[0]["metrics"]
    expected = [float(step % (updates + 1) == updates) for step in range(12)]
    assert metrics["ran"].tolist() == expected
    changed = {name: np.diff(metrics[name], prepend=0.0) != 0.0 for name in (FIRST, SECOND)}
    assert changed[SECOND].tolist() == [part == 1 for part in expected]
    assert changed[FIRST].tolist() == [part == 0 for part in expected]


def test_an_interrupted_cycle_goes_on_where_it_was(tmp_path: Path) -> None:
    """A run that is interrupted within a cycle, and goes on in another pack, has every bit of an
    undisturbed one."""
    spec = spec_of()
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1], 4)
    for run in attempt(spec, experiment, [1], None):
        assert first_difference(run, train(spec, [1])[1]) is None


@pytest.mark.slow
def test_each_part_is_a_graph_of_its_own() -> None:
    """The stepper of a GPU, launched anew here where a graph would be replayed, has a graph for
    each part, and the bits of a step taken operation by operation."""
    spec = spec_of()
    training = Training(pack_of(spec, [0, 1]), make_context(spec))
    stepper = GraphedStepper(training.program, 128, called)
    training.stepper = stepper
    reference = train(spec, [0, 1])
    for run in training.run():
        for name, series in reference[run["index"]]["metrics"].items():
            assert run["metrics"][name].tolist() == series.tolist()
    assert sorted(stepper._graphs) == [(2, 0), (2, 1)]


SLIPS = {
    "an odd variant": "variant_at gives tensor(0) for step 0, allowed: an int from 0",
    "a negative variant": "variant_at gives -1 for step 0, allowed: an int from 0",
    "other metrics": "the metric 'policy' is given by solve at variant 0 and not at 1, "
    "allowed: the same metrics at all",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_parts_that_break_the_contract_are_told(slip: str) -> None:
    """A part that is no number, and metrics that not every part has, are told before training."""
    with pytest.raises(ContractError) as broken:
        train(spec_of(slip=slip), [0])
    [line] = broken.value.lines()
    assert line.startswith(f"cyclic:Cyclic: {SLIPS[slip]}")
