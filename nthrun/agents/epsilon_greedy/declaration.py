"""What a spec may say of ε-greedy agents, and what a lane costs."""

from __future__ import annotations

from dataclasses import replace

from nthrun.agents.fields import ACTOR_LR_SCALE, CRITIC_LR, LEARNING, RULES
from nthrun.agents.off_policy_footprint import FLOAT_BYTES, Parts, off_policy_footprint
from nthrun.agents.sizes import MLPShape, critic_shape
from nthrun.specs.declaration import (
    AgentDeclaration,
    AtMost,
    FitsPolicies,
    Setting,
    fits_continuous,
)
from nthrun.specs.field import Field
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_COLUMNS = 6  # gamma, tau, step size, ε, its decay and its minimum
ACTING_LAYERS = 4
SEARCH_FLOATS = 8
"""Numbers of a search for each component of an action."""


def epsilon_greedy_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of given static hyperparameters."""
    critic = critic_shape(setting, environment)
    actor = MLPShape(
        environment.observation_dim, (setting["hidden_dim"],) * 2, environment.action_dim
    )
    acts = setting["policy_type"] == "DeterministicAction"
    ascends = setting["policy_type"] == "GradientAscent"
    count = setting.get("num_starts") or setting.get("num_candidates") or 0
    num_points = (1 if ascends else 2) * count * environment.action_dim
    searching = SEARCH_FLOATS * environment.action_dim
    judging = max(1, count) * (sum(critic.widths()) + searching)
    parts = Parts(
        networks=(critic, actor) if acts else (critic,),
        targets=(critic, actor) if acts else (critic,),
        num_columns=NUM_COLUMNS + acts + ascends + num_points,
        num_agent_draws=1 + environment.action_dim,
        num_metrics=1 + acts,
        num_sampled=count,
        sample_floats=searching,
        acting_floats=ACTING_LAYERS * (sum(actor.widths()) if acts else judging),
    )
    footprint = off_policy_footprint(setting, environment, parts)
    return replace(footprint, learned_bytes=footprint.learned_bytes + FLOAT_BYTES)  # ε


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
    footprint=epsilon_greedy_footprint,
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
    footprint=epsilon_greedy_footprint,
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
    footprint=epsilon_greedy_footprint,
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
