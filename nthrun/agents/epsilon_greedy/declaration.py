"""What a spec may say of ε-greedy agents, and what a lane costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nthrun.agents.fields import ACTOR_LR_SCALE, CRITIC_LR, LEARNING, RULES
from nthrun.agents.layouts import OffPolicyParts, off_policy_layout, sampled_numbers
from nthrun.agents.sizes import MLPShape, critic_shape
from nthrun.specs.declaration import (
    AgentDeclaration,
    AtMost,
    FitsPolicies,
    Setting,
    fits_continuous,
)
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

CONSTANTS = {
    "GradientAscent": ("search.starts",),
    "CrossEntropySearch": ("search.first", "search.normal"),
}
"""The points that a search tries, by policy type; they are in the state."""


def epsilon_greedy_parts(setting: Setting, environment: Interface) -> OffPolicyParts:
    """What an ε-greedy agent is made of, whatever finds the best action."""
    policy_type, size = setting["policy_type"], environment.action_dim
    critic = critic_shape(setting, environment)
    actor = MLPShape(environment.observation_dim, (setting["hidden_dim"],) * 2, size)
    acts = policy_type == "DeterministicAction"
    count = setting.get("num_starts") or setting.get("num_candidates") or 0
    judged = sampled_numbers(max(1, count), critic, environment)
    networks, targets = {"critic": critic}, {"target_critic": "critic"}
    searching = ("search_lr",) if policy_type == "GradientAscent" else ()
    return OffPolicyParts(
        networks=networks | {"actor": actor} if acts else networks,
        targets=targets | {"target_actor": "actor"} if acts else targets,
        columns=("tau", "critic_lr", "epsilon", "epsilon_decay", "epsilon_min", *searching),
        num_acting_draws=1 + size,
        num_update_draws=0,
        metrics=("critic_loss", "actor_loss") if acts else ("critic_loss",),
        acting_numbers=sum(actor.widths()) if acts else judged,
        sampled_numbers=sampled_numbers(count, critic, environment),
        shown=("epsilon",),
        constants=dict.fromkeys(CONSTANTS.get(policy_type, ()), (count, size)),
    )


LAYOUT = partial(off_policy_layout, epsilon_greedy_parts)
PROGRAM = "nthrun.agents.epsilon_greedy.program:EpsilonGreedy"
ALL_RULES = (*RULES, AtMost("epsilon_min", "epsilon"))
MNIH = 'Mnih et al., 2015, "Human-level control through deep reinforcement learning"'
LILLICRAP = 'Lillicrap et al., 2016, "Continuous control with deep reinforcement learning"'
KALASHNIKOV = (
    'Kalashnikov et al., 2018, "QT-Opt: Scalable Deep Reinforcement Learning for Vision-Based '
    'Robotic Manipulation"'
)

EXPLORATION = (
    Field("epsilon", "float", 0.1, "probability of a uniform action", minimum=0, maximum=1),
    Field("epsilon_decay", "float", 1.0, "factor of epsilon at every step", minimum=0, maximum=1),
    Field("epsilon_min", "float", 0.0, "value at which epsilon stays", minimum=0, maximum=1),
)


def _maximiser(*choices: str) -> Field:
    doc = "how the most valued action is found; Argmax is for discrete actions"
    return Field("policy_type", "str", choices[0], doc, choices=choices, static=True)


def _count(name: str, default: int, doc: str) -> Field:
    return Field(name, "int", default, doc, minimum=1, maximum=10**4, static=True)


EPSILON_GREEDY = AgentDeclaration(
    name="epsgreedy",
    program=PROGRAM,
    layout=LAYOUT,
    fits=FitsPolicies({"Argmax": "discrete", "DeterministicAction": "continuous"}),
    doc="ε-greedy Q-learning: over discrete actions as DQN, over continuous ones with a network "
    "that puts out the most valued action.",
    source=f"{MNIH}; {LILLICRAP}",
    rules=ALL_RULES,
    hyperparameters=(
        _maximiser("DeterministicAction", "Argmax"),
        CRITIC_LR,
        replace(ACTOR_LR_SCALE, doc=f"{ACTOR_LR_SCALE.doc}; without effect for Argmax"),
        *EXPLORATION,
        *LEARNING,
    ),
)
EPSILON_GREEDY_SGD = AgentDeclaration(
    name="epsgreedy_SGD",
    program=PROGRAM,
    layout=LAYOUT,
    fits=fits_continuous,
    doc="ε-greedy Q-learning over continuous actions; the most valued one is found by gradient "
    "ascent from a few starts.",
    source=MNIH,
    rules=ALL_RULES,
    hyperparameters=(
        _maximiser("GradientAscent"),
        CRITIC_LR,
        *EXPLORATION,
        _count("num_starts", 4, "actions from which the ascent starts"),
        _count("num_search_steps", 5, "steps of the ascent"),
        Field("search_lr", "float", 0.1, "step size of the ascent, in [-1, 1] actions", above=0),
        *LEARNING,
    ),
)
EPSILON_GREEDY_OPTIMIZER = AgentDeclaration(
    name="epsgreedy_optimizer",
    program=PROGRAM,
    layout=LAYOUT,
    fits=fits_continuous,
    doc="ε-greedy Q-learning over continuous actions; the most valued one is found by the "
    "cross-entropy method, without gradients.",
    source=f"{MNIH}; {KALASHNIKOV}",
    rules=(*ALL_RULES, AtMost("num_elites", "num_candidates")),
    hyperparameters=(
        _maximiser("CrossEntropySearch"),
        CRITIC_LR,
        *EXPLORATION,
        _count("num_candidates", 16, "actions tried in a round of the search"),
        _count("num_elites", 4, "best of them, which the next round surrounds"),
        _count("num_search_steps", 3, "rounds of the search"),
        *LEARNING,
    ),
)
