"""Step sizes on a plateau, and lanes that lose their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import solver_of, stepped
from agents.solver_runs import solver_spec
from packs import train

from nthrun.agents.base import State
from nthrun.agents.layouts import ONE_SIZE, StepSize
from nthrun.agents.schedule import (
    go_back,
    keep_good,
    last_good,
    look_at_loss,
    schedule_state,
    step_size,
)

SETTING: dict[str, Any] = {"lr": 0.5, "lr_factor": 0.5, "lr_patience": 4, "max_resets": 2}
POLICY = StepSize("policy_lr", "schedule.policy.")
VALUE = StepSize("value_lr", "schedule.value.")


def made(*others: dict[str, Any], sizes: tuple[StepSize, ...] = ONE_SIZE) -> State:
    """A schedule of lanes with other settings, which keeps one number a lane."""
    x = torch.arange(len(others), dtype=torch.float32).unsqueeze(1)
    return {"x": x} | schedule_state([SETTING | other for other in others], {"x": x}, sizes)


def looked(state: State, *losses: float) -> list[float]:
    """Step sizes after each loss, in a schedule of one lane."""
    found = []
    for loss in losses:
        look_at_loss(state, torch.tensor([[loss]]))
        found.append(float(state["lr"]))
    return found


def test_a_plateau_lowers_the_step_size_after_the_patience() -> None:
    """After exactly `lr_patience` losses without progress the step size is multiplied by its
    factor, and again after as many more; progress begins the count anew."""
    flat = looked(made({}), *[1.0] * 10)
    assert flat == [0.5] * 4 + [0.25] * 4 + [0.125] * 2
    state = made({})
    assert looked(state, 1.0, 1.0, 1.0, 0.1, 0.1) == [0.5] * 5
    falling = [0.9**step for step in range(60)]
    assert looked(made({}), *falling) == [0.5] * 60


def test_a_lost_first_loss_is_no_progress() -> None:
    """A loss that is no number counts neither as progress nor as a loss: a falling loss after it
    leaves the step size as it is."""
    falling = [0.9**step for step in range(20)]
    for patience in (1, 4):
        state = made({"lr_patience": patience})
        assert looked(state, *[float("nan")] * 5, *falling) == [0.5] * 25


def test_every_net_has_its_own_plateaus() -> None:
    """Of two nets, the step size of the one whose loss is flat falls, and that of the one whose
    loss falls stays, as each would alone; both are smaller after a lane has gone back."""
    both = (POLICY, VALUE)
    rates = {"policy_lr": 0.5, "value_lr": 2.0}
    state = made(rates, sizes=both)
    for step in range(9):
        look_at_loss(state, torch.tensor([[1.0]]), POLICY)
        look_at_loss(state, torch.tensor([[0.9**step]]), VALUE)
    warm = torch.tensor(1000)
    assert [float(step_size(state, warm, size)) for size in both] == [0.125, 2.0]
    go_back(state, torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.bool), both)
    assert [float(step_size(state, warm, size)) for size in both] == [0.0625, 1.0]
    assert float(state["schedule.resets"]) == 1.0


def test_the_step_size_grows_to_its_full_size() -> None:
    """It rises evenly over the first hundred steps, and stays from then on."""
    state = made({})
    sizes = [float(step_size(state, torch.tensor(step))) for step in (0, 49, 99, 100, 5000)]
    torch.testing.assert_close(sizes, [0.005, 0.25, 0.5, 0.5, 0.5])


def test_a_lane_goes_back_alone() -> None:
    """A lane whose gradient or numbers are not finite has again what was put by, and a smaller step
    size; the bits of all others stay."""
    state = made(*[{}] * 4)
    sound = torch.tensor([[True], [False], [True], [True]])
    keep_good(state, torch.ones(4, 1, dtype=torch.bool), torch.tensor(100))
    state["x"].copy_(torch.tensor([[0.1], [0.2], [torch.inf], [0.3]]))
    keep_good(state, sound, torch.tensor(101))
    loss = go_back(state, torch.tensor([[0.5], [0.6], [0.7], [0.8]]), sound)
    assert torch.equal(state["x"], torch.tensor([[0.1], [1.0], [2.0], [0.3]]))
    assert torch.equal(loss, torch.tensor([[0.5], [0.0], [0.0], [0.8]]))
    assert state["lr"].flatten().tolist() == [0.5, 0.25, 0.25, 0.5]
    assert state["schedule.resets"].flatten().tolist() == [0, 1, 1, 0]


def test_what_is_kept_is_known_to_be_good() -> None:
    """What is put by is from before the step, and only where its loss and gradient are finite."""
    state = made({}, {})
    state["x"].copy_(torch.tensor([[5.0], [6.0]]))
    keep_good(state, torch.tensor([[True], [False]]), torch.tensor(200))
    assert state["good.x"].flatten().tolist() == [5.0, 1.0]


def test_too_many_resets_are_no_number() -> None:
    """The loss is NaN from the reset on that is one more than allowed."""
    state, lost = made({}), torch.zeros(1, 1, dtype=torch.bool)
    losses = [float(go_back(state, torch.ones(1, 1), lost)) for _ in range(3)]
    assert losses[:2] == [0.0, 0.0]
    assert losses[2] != losses[2]


def test_a_lost_lane_stays_at_its_last_good_state() -> None:
    """A lane that has lost its numbers once more than it may holds from then on what was kept last,
    of a step that is named, whatever later steps do; a lane that may go back is told nothing of."""
    state, nothing = made({"max_resets": 1}, {}), torch.zeros(2, 1, dtype=torch.bool)
    keep_good(state, ~nothing, torch.tensor(300))
    state["x"].add_(5.0)
    for _ in range(2):
        go_back(state, torch.ones(2, 1), nothing)
    for step in range(399, 403):
        keep_good(state, ~nothing, torch.tensor(step))
        state["x"].copy_(torch.tensor([[7.0], [8.0]]))
        loss = go_back(state, torch.ones(2, 1), ~nothing)
        assert state["x"].flatten().tolist() == [0.0, 8.0]
        assert loss.isnan().flatten().tolist() == [True, False]
    assert state["schedule.resets"].flatten().tolist() == [2, 2]
    told = "it had gone back 1 time, as often as max_resets allows"
    kept = "learned_params are those of step 300, the last good ones"
    assert last_good(state, 0) == f"{told}; {kept}"
    assert last_good(state, 1) == ""
    assert last_good({}, 0) == ""


def test_a_solver_goes_back_alone() -> None:
    """A lane of a solver whose parameters become NaN has the next step's start of what was put by,
    finite numbers again, and one reset; the other lane has every bit as if nothing had happened."""
    for agent in ("euler_quadrature", "euler_all_in_one"):
        runs = []
        for spoilt in (False, True):
            solver, state = solver_of(agent)
            for step in range(5):
                if spoilt and step == 3:
                    state["policy"][1, 0] = torch.nan
                metrics = stepped(solver, state, step)
            runs.append((state, metrics))
        (whole, _), (mended, metrics) = runs
        assert metrics["resets"].tolist() == [0.0, 1.0]
        for name, tensor in whole.items():
            assert torch.equal(tensor[0], mended[name][0]), name
            assert torch.isfinite(mended[name]).all(), name


@pytest.mark.parametrize("allowed", [0, 2])
@pytest.mark.parametrize("agent", ["euler_quadrature", "euler_all_in_one"])
def test_a_run_that_cannot_be_mended_has_diverged(agent: str, allowed: int) -> None:
    """Where households fear risk so much that what wealth is worth overflows, a run goes back as
    often as it may, and is recorded as diverged at the next loss of its numbers."""
    afraid = {"calibration.theta": 1000.0, "eval_episodes": 0}
    (run,) = train(solver_spec(agent, {"max_resets": [allowed]}, afraid), [0]).values()
    assert run["status"] == "diverged"
    assert run["metrics"]["resets"].tolist() == [*range(1, allowed + 2)]
    assert run["reason"] == (
        f"non-finite numbers at step {allowed + 1}; it had gone back {allowed} times, as often as "
        "max_resets allows; learned_params are those of step 0, the last good ones"
    )
    assert all(np.isfinite(array).all() for array in run["learned_params"].values())
