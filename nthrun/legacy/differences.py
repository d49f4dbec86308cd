"""Where a spec of the older tool means something else here, though it is written the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from nthrun.legacy.conventions import (
    AGENTS_THERE,
    BATCH,
    BETAS,
    DELAY,
    EXPLORATION,
    FIRST_WEIGHTS,
    GRIDWORLDS,
    MIXTURE,
    NOT_READ,
    REPLAY,
    TARGETS,
    UNSCALED,
)
from nthrun.legacy.spec_keys import CONVOLUTIONS, EPSILON_GREEDY
from nthrun.specs.agent_spec import AgentSpec
from nthrun.specs.environment_spec import EnvironmentSpec

GREEDY = ("GreedyAC", "GreedyACNoEntReg")


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the tools.

    Attributes:
        there: what holds there, in a phrase.
        concerns: whether it makes a difference to a pair of specs.
    """

    there: str
    concerns: Callable[[AgentSpec, EnvironmentSpec], bool]


def differences(agent: AgentSpec, environment: EnvironmentSpec) -> Iterator[str]:
    """What a pair of specs, as it was read, means there and not here, in phrases."""
    return (one.there for one in DIFFERENCES if one.concerns(agent, environment))


def orders_differ(agent: AgentSpec) -> bool:
    """Whether the pairs of batch size and replay capacity, which are the last digit there, make an
    index mean another setting."""
    parameters = agent.parameters
    if not agent.search.is_plain or not {BATCH, REPLAY} <= parameters.keys():
        return False
    varying = list(agent.space.varying)
    swept = [key for key in varying if key in (BATCH, REPLAY)]
    return bool(swept) and varying[-len(swept) :] != [k for k in (REPLAY, BATCH) if k in swept]


def _of(*agents: str) -> Callable[[AgentSpec, EnvironmentSpec], bool]:
    return lambda agent, environment: agent.agent_name in agents


def _in(*names: str) -> Callable[[AgentSpec, EnvironmentSpec], bool]:
    return lambda agent, environment: environment.env_name in names


def _takes(agent: AgentSpec, name: str, holds: Callable[[Any], bool]) -> bool:
    """Whether a hyperparameter takes a value of which something holds."""
    return any(map(holds, agent.values_of(name)))


def _is_narrower(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether first weights are drawn from bounds without a factor for the activation."""
    is_one = agent.agent_name in AGENTS_THERE
    return is_one and _takes(agent, FIRST_WEIGHTS, lambda value: value == UNSCALED)


def _has_units(*agents: str) -> Callable[[AgentSpec, EnvironmentSpec], bool]:
    """Whether agents act within other bounds than -1 and 1."""

    def concerns(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
        interface = environment.interface
        bounds = {*interface.action_low, *(-high for high in interface.action_high)}
        return agent.agent_name in agents and not bounds <= {-1.0}

    return concerns


def _of_actions(kind: str, *agents: str) -> Callable[[AgentSpec, EnvironmentSpec], bool]:
    """Whether agents act by discrete, or by continuous actions."""
    return lambda agent, environment: (
        agent.agent_name in agents and environment.interface.discrete == (kind == "discrete")
    )


def _is_regularised(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether the actor's entropy has a weight, and its gradient is estimated by samples."""
    is_sampled = agent.agent_name in ("VAC", "GreedyAC") and not environment.interface.discrete
    return is_sampled and _takes(agent, "alpha", lambda alpha: alpha > 0)


def _keeps_sigma(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether a Gaussian's actor has no trace."""
    is_gaussian = agent.agent_name == "linearAC"
    return is_gaussian and _takes(agent, "use_actor_trace", lambda used: used is False)


def _reads(name: str, default: Any) -> Callable[[AgentSpec, EnvironmentSpec], bool]:
    """Whether an agent that did not read a hyperparameter there has another value of it here."""
    return lambda agent, environment: (
        name in NOT_READ.get(agent.agent_name, ())
        and _takes(agent, name, lambda value: value != default)
    )


def _decays(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    if agent.agent_name not in EPSILON_GREEDY[:2]:
        return False
    settings = agent.sweep.examples(("epsilon", "epsilon_min"))
    return _takes(agent, "epsilon_decay", lambda decay: decay < 1) and any(
        setting["epsilon_min"] < setting["epsilon"] for setting in settings
    )


def _waits(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether an agent that has no delay there waits for longer than a batch."""
    is_one = agent.agent_name in EPSILON_GREEDY[:2]
    return is_one and any(delay > batch - 1 for batch, delay in _first_updates(agent))


def _learns_early(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether there are updates before a batch is full."""
    return any(delay < batch - 1 for batch, delay in _first_updates(agent))


def _first_updates(agent: AgentSpec) -> Iterator[tuple[int, int]]:
    """Batch sizes and the delays that come with them."""
    names = (BATCH, DELAY)
    for setting in agent.sweep.examples(names):
        if set(names) <= setting.keys():
            yield setting[BATCH], setting[DELAY]


def _tunes(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    tuned = _takes(agent, "automatic_entropy_tuning", lambda value: value is True)
    return tuned and _takes(agent, "alpha", lambda alpha: alpha != 1.0)


def _mixes(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    mixed = _takes(agent, "policy_type", lambda policy: policy == MIXTURE)
    return mixed and "num_components" not in agent.named


def _cools(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    cooled = _takes(agent, "temperature", lambda temperature: temperature != 1.0)
    return agent.agent_name == "SoftmaxAC" and cooled


def _rounds(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether a share of actions is no whole number of them, which then is rounded down there."""
    is_greedy = agent.agent_name in GREEDY and not environment.interface.discrete
    return is_greedy and any(
        int(rho * count) != max(1, math.ceil(rho * count - 1e-9)) for count, rho in _shares(agent)
    )


def _follows_one(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether the share of the discrete actions that the actor follows is more than one."""
    count = environment.interface.num_actions or 0
    return agent.agent_name in GREEDY and any(rho * count > 1 + 1e-9 for _, rho in _shares(agent))


def _shares(agent: AgentSpec) -> Iterable[tuple[int, float]]:
    """What `n_rho` takes."""
    return cast("Iterable[tuple[int, float]]", agent.values_of("n_rho"))


def _searches(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    named = {"num_starts", "num_search_steps", "search_lr"}
    return agent.agent_name == "epsgreedy_SGD" and not named <= agent.named


def _is_sparser(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    is_ours = environment.env_name == "SparsePendulum-v1"
    return is_ours and environment.values["sparsity_factor"] != 1.0


def _is_rewarded(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    return environment.env_name in GRIDWORLDS and not environment.values["overwrite_rewards"]


def _sees_frames(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    """Whether frames are read as flat vectors, which no agent that is here takes there."""
    return environment.env_name.startswith("MinAtar/") and not _convolves(agent)


def _convolves(agent: AgentSpec) -> bool:
    """Whether networks have convolutions."""
    return agent.agent_name in ("SAC", "VAC") and _takes(agent, CONVOLUTIONS, bool)


def _evaluates(agent: AgentSpec, environment: EnvironmentSpec) -> bool:
    return environment.eval_episodes > 0


DIFFERENCES = (
    Difference(
        "the pairs of batch_size and replay_capacity were the last digit of an index",
        lambda agent, environment: orders_differ(agent),
    ),
    Difference("ε was constant (epsilon_decay, epsilon_min were not read)", _decays),
    Difference("steps_before_learning was not read", _waits),
    Difference("target_update_interval was not read", _reads(TARGETS, 1)),
    Difference("betas were not read", _reads(BETAS, (0.9, 0.999))),
    Difference("uniform_exploration_steps was not read", _reads(EXPLORATION, 0)),
    Difference("it had two critics and no target of the actor", _of("epsgreedy")),
    Difference("it had two critics", _of(*EPSILON_GREEDY[1:])),
    Difference("a search had 30 starts, 100 steps and a rate of 0.01 / 30", _searches),
    Difference("a search stopped once its best action had not changed", _of("epsgreedy_SGD")),
    Difference(
        "SciPy searched from two guesses to act, and a network gave the target's action",
        _of("epsgreedy_optimizer"),
    ),
    Difference("first weights had the gain of their activation, √2 or 5/3", _is_narrower),
    Difference(
        "critics, means, σ and log π were of actions in the environment's units",
        _has_units("SAC", "VAC", "FKL", *GREEDY, "linearAC"),
    ),
    Difference("greedy actions stayed within -1 and 1", _has_units(*EPSILON_GREEDY)),
    Difference(
        "a critic took the number of a discrete action as an input",
        lambda agent, environment: (
            _of_actions("discrete", "SAC", "VAC", *GREEDY)(agent, environment)
            and not _convolves(agent)
        ),
    ),
    Difference(
        "an update followed every fourth step",
        lambda agent, environment: agent.agent_name == "SAC" and _convolves(agent),
    ),
    Difference(
        "one discrete action was sampled for the critic's target", _of_actions("discrete", "SAC")
    ),
    Difference(
        "one action of a state was scored, with others as its baseline",
        _of_actions("continuous", "VAC"),
    ),
    Difference("alpha's gradient had an expectation of 0", _is_regularised),
    Difference("σ was learned with an actor's trace alone", _keeps_sigma),
    Difference("the first update waited for batch_size steps", _learns_early),
    Difference("a tuned alpha began at 1", _tunes),
    Difference("num_components was 1", _mixes),
    Difference("the actor followed ⌊ρn⌋ actions", _rounds),
    Difference("the actor followed the most valued discrete action alone", _follows_one),
    Difference("the actor's gradient was not divided by temperature", _cools),
    Difference(
        "an observation was (θ₁, θ₂) and their speeds, and the start (0, 0, 0, 0)",
        _in("Acrobot-v1", "DenseAcrobot-v1"),
    ),
    Difference("the reward was the tip's height - 1", _in("DenseAcrobot-v1")),
    Difference("sparsity_factor multiplied the tolerance", _is_sparser),
    Difference("the angle before the step counted", _in("SparsePendulum-v1")),
    Difference("the force was 30 times the action", _in("ContinuousCartpole-v0")),
    Difference("the reward was the position", _in("DenseMountainCarContinuous-v1")),
    Difference("an observation was (x, y), not shares of the grid", _in("XYGridworld")),
    Difference("an observation was the cell's number", _in("IndexGridworld")),
    Difference("the reward of the goal was 0", _in("Gridworld", "IndexGridworld", "XYGridworld")),
    Difference("frames were for networks with convolutions alone", _sees_frames),
    Difference("there was one more evaluation at the end", _evaluates),
)
