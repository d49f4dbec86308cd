"""Laws that hold for SAC, GreedyAC, VAC, FKL, ε-greedy and random agents alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.deep_runs import deep_spec, started
from packs import beside_neighbours, pack_of, run_of_same_bits, train

from nthrun.agents.registry import AGENTS
from nthrun.compiler.tracing import record
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.steppers.step_functions import NOISE, STEP, training_step

Environment = dict[str, Any]
Case = tuple[str, dict[str, Any], Environment]

SHORT = {
    "steps_per_episode": 20,
    "eval_interval_timesteps": 1000,
    "eval_episodes": 1,
    "record": ["update_states", "train_rewards", "train_actions", "metrics", "eval_states"],
}
NUMBERED = {"env_name": "Acrobot-v1", "continuous": False}
CONTINUOUS_CASES: list[tuple[str, dict[str, Any]]] = [
    ("GreedyAC", {}),
    ("GreedyAC", {"policy_type": ["SquashedGaussian"], "n_rho": [[7, 0.5]]}),
    ("GreedyACNoEntReg", {}),
    ("VAC", {}),
    ("FKL", {}),
    ("FKL", {"kl": ["reverse"], "soft_q": [False]}),
    ("FKL", {"policy_type": ["Gaussian"]}),
    ("GreedyAC", {"double_q": [True], "soft_q": [True]}),
    ("epsgreedy", {}),
    ("epsgreedy_SGD", {}),
    ("epsgreedy_optimizer", {}),
    ("random", {}),
]
DISCRETE_CASES: list[tuple[str, dict[str, Any]]] = [
    ("GreedyAC", {"policy_type": ["Softmax"]}),
    ("VAC", {"policy_type": ["Softmax"]}),
    ("FKL", {"policy_type": ["Softmax"]}),
    ("FKL", {"policy_type": ["Softmax"], "kl": ["reverse"]}),
    ("GreedyAC", {"policy_type": ["Softmax"], "double_q": [True], "soft_q": [True]}),
    ("epsgreedy", {"policy_type": ["Argmax"]}),
    ("random", {}),
]
CASES: list[Case] = [(*case, {}) for case in CONTINUOUS_CASES] + [
    (*case, NUMBERED) for case in DISCRETE_CASES
]
ONE_EACH = [CASES[0], CASES[3], CASES[6], CASES[-2]]
"""A GreedyAC, a VAC, an ε-greedy agent with an actor, and one of discrete actions."""

LEARNERS = [*ONE_EACH, ("SAC", {}, {})]

POSITION_DEPENDENT = {"sigmoid", "log_sigmoid", "softplus", "pow", "atan2"}
"""Operations whose rounding depends on where an element lies; tests/agents/test_operations.py."""


def short_spec(case: Case, steps: int) -> ExperimentSpec:
    """A case's experiment with short episodes, and most of it recorded."""
    name, parameters, environment = case
    return deep_spec(name, parameters, {"total_timesteps": steps, **SHORT, **environment})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_index_has_the_same_bits_alone_and_in_a_pack(
    case: Case,
) -> None:
    """Whatever shares its pack, whichever lane it is on, every bit of a record is the same."""
    run_of_same_bits(short_spec(case, 25), 1, beside_neighbours(1, (5,)))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(64, 32), (17, 1), (50, 33)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_identity_holds_for_usual_and_odd_shapes(case: Case, shape: tuple[int, int]) -> None:
    """The same for wide networks and large batches, for odd ones, and for wide packs."""
    name, parameters, environment = case
    hidden_dim, batch_size = shape
    sizes = {"hidden_dim": [hidden_dim], "batch_size": [batch_size]} if name != "random" else {}
    spec = short_spec((name, parameters | sizes, environment), 60)
    run_of_same_bits(spec, 1, beside_neighbours(1, (2, 33)))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_agents_are_the_agents(case: Case) -> None:
    """Compiled for a CPU every agent computes the same training, to rounding, and in packs the
    same bits as alone."""
    eager = train(short_spec(case, 60), [1])[1]
    compiled = run_of_same_bits(short_spec(case, 60), 1, beside_neighbours(1, (3,)), "compile")
    for metric, series in eager.get("metrics", {}).items():
        np.testing.assert_allclose(compiled["metrics"][metric], series, rtol=2e-3, atol=1e-3)
    for parameter, array in eager["learned_params"].items():
        np.testing.assert_allclose(compiled["learned_params"][parameter], array, atol=1e-3)


@pytest.mark.parametrize("case", [*ONE_EACH, *CASES[7:9]], ids=str)
def test_no_operation_depends_on_an_elements_position(
    case: Case,
) -> None:
    """A step uses none of the operations whose rounding depends on where an element lies."""
    spec = deep_spec(*case)
    training = Training(pack_of(spec, [0]), make_context(spec))
    noise = training.program.noise(training.streams.draw(1), 0, "cpu").step(0)
    inputs = {**training.state, STEP: torch.zeros(1, dtype=torch.int64)}
    inputs |= {NOISE + name: part for name, part in noise._asdict().items()}
    step = training_step(training.program, frozenset(training.state), 1)
    found = {
        node.target.overloadpacket.__name__.removesuffix("_backward")
        for node in record(step, inputs)[0].graph.nodes
        if isinstance(node.target, torch._ops.OpOverload)
    }
    assert "baddbmm" in found
    assert not POSITION_DEPENDENT & found


@pytest.mark.parametrize("case", LEARNERS, ids=str)
def test_every_learned_part_moves(case: Case) -> None:
    """Every network and every target changes in learning, and ε, and stays finite."""
    name, parameters, environment = case
    if name == "epsgreedy":
        parameters = parameters | {"epsilon_decay": [0.99]}
    training = started(deep_spec(name, parameters, environment), 1)
    agent = training.program.agent
    before = {k: v.clone() for k, v in agent.learned_params(training.state).items()}
    training.train_block(40)
    for key, after in agent.learned_params(training.state).items():
        assert after.isfinite().all()
        assert (after != before[key]).any(), key


@pytest.mark.parametrize("case", LEARNERS, ids=str)
def test_learning_starts_late_on_request(case: Case) -> None:
    """Before `steps_before_learning` nothing is learnt, and the first actions are uniform."""
    name, parameters, environment = case
    late = {"steps_before_learning": [30], "uniform_exploration_steps": [30]}
    training = started(deep_spec(name, parameters | late, environment), 30)
    start = training.program.initial_state(training.pack)
    assert torch.equal(training.state["critic"], start["critic"])
    training.train_block(31)
    assert not torch.equal(training.state["critic"], start["critic"])


@pytest.mark.parametrize(
    ("name", "names"),
    [("epsgreedy", ("target_critic", "target_actor")), ("SAC", ("target_critic",))],
)
def test_targets_move_only_every_interval(name: str, names: tuple[str, ...]) -> None:
    """With an interval of 3 the targets follow at steps 0, 3, 6, ... and rest between."""
    training = started(deep_spec(name, {"target_update_interval": [3]}), 40)
    for step in range(40, 47):
        before = [training.state[target].clone() for target in names]
        training.train_block(step + 1)
        for target, old in zip(names, before, strict=True):
            assert torch.equal(training.state[target], old) == (step % 3 != 0)


@pytest.mark.parametrize("name", ["VAC", "SAC"])
def test_first_actions_are_uniform(name: str) -> None:
    """Actions of the first steps are uniform over the bounds, whatever the policy is."""
    late = {"steps_before_learning": [5000], "uniform_exploration_steps": [1000]}
    environment = {"total_timesteps": 1000, "record": ["train_actions"], "eval_episodes": 0}
    (run,) = train(deep_spec(name, late, environment), [0]).values()
    counts, _ = np.histogram(run["train_actions"], 5, (-2, 2))
    assert np.abs(counts / 200 - 1).max() < 0.25


@pytest.mark.parametrize(
    ("name", "policy_type", "environment"),
    [
        ("GreedyAC", "Softmax", {}),
        ("VAC", "Gaussian", NUMBERED),
        ("FKL", "Softmax", {}),
        ("epsgreedy", "Argmax", {}),
        ("epsgreedy", "DeterministicAction", NUMBERED),
        ("epsgreedy_SGD", "GradientAscent", NUMBERED),
    ],
)
def test_a_policy_of_other_actions_is_refused(
    name: str, policy_type: str, environment: Environment
) -> None:
    """A policy over discrete actions does not fit continuous ones, nor the other way round."""
    spec = deep_spec(name, {"policy_type": [policy_type]}, environment)
    assert list(AGENTS[name].fits(spec.environment.interface, spec.agent.values_of))
