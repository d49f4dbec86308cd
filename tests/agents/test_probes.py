"""Every agent finds the values and the best actions of tiny environments whose answers are known.

A tolerance is half of the least distance between a right answer and what a usual mistake gives:
values are 0.2 apart where γ is forgotten, more where a terminal state is bootstrapped, a truncated
episode is not, or a sign is wrong; best actions are 1 from the centre, where an agent stays that
does not learn them or does not look at what it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import singledispatch
from typing import Any, NamedTuple

import pytest
import torch
from packs import pack_of
from probes import CENTRE, CUT, GAMMA, PROBES, Probe, shown
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.linear import values
from nthrun.agents.linear_actor_critic.program import LinearActorCritic
from nthrun.agents.linear_sarsa.program import LinearActionValues
from nthrun.agents.off_policy import OffPolicyAgent
from nthrun.agents.ppo.program import ProximalPolicyOptimisation
from nthrun.agents.registry import AGENTS
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.training.context import make_context
from nthrun.training.loop import Training

VALUE_TOLERANCE, ACTION_TOLERANCE = 0.1, 0.5
CLAIMS_NOTHING = {"random", *(name for name, declared in AGENTS.items() if declared.solves)}
"""Agents that learn nothing, or nothing from a probe: no step of an episode is shown to a solver,
and the probes have no horizon that it could simulate; `tests/agents/test_mc_pg.py` and
`test_ghm_oracles.py` judge these."""
RUNS = (0, 1, 2)
STEPS = 5000
PROTOCOL = {
    "total_timesteps": STEPS,
    "steps_per_episode": CUT,
    "eval_interval_timesteps": STEPS,
    "eval_episodes": 8,
    "gamma": GAMMA,
}
NETWORKS = {
    "hidden_dim": 32,
    "batch_size": 32,
    "replay_capacity": STEPS,
    "uniform_exploration_steps": STEPS // 2,
    "critic_lr": 0.0015,
    "actor_lr_scale": 0.3,
    "tau": 0.1,
    "alpha": 0.01,
    "soft_q": False,
    "automatic_entropy_tuning": False,
    "num_samples": 4,
    "n_rho": [[10, 0.2]],
    "num_search_steps": 3,
    "search_lr": 0.05,
    "n_steps": 128,
    "lr": 0.003,
    "entropy_weight": 0.01,
}
"""Learn quickly, actors slower than critics lest they settle before they have seen all actions;
values have no entropy in them, and policies hardly seek it."""
TABLE = {
    "num_tilings": 1,
    "num_bins": 2,
    "bias": False,
    "critic_lr": 0.2,
    "actor_lr": 0.05,
    "epsilon": 0.3,
}
"""Tiles that tell every x of a probe from every other."""
Case = tuple[str, str, bool]
"""An agent, its policy type or "", and whether actions are continuous."""


def spec_of(case: Case, environment: str, gamma: float = GAMMA, **more: int) -> ExperimentSpec:
    """An experiment.

    Raises:
        SpecError: the agent does not fit.
    """
    agent, policy, continuous = case
    own = {field.name for field in AGENTS[agent].hyperparameters}
    quick = TABLE if "num_tilings" in own else NETWORKS
    parameters: dict[str, Any] = {name: value for name, value in quick.items() if name in own}
    parameters |= {"policy_type": policy} if policy else {}
    parameters |= more
    world = {"env_name": f"probes:{environment}", "continuous": continuous}
    document = {"agent_name": agent, "parameters": parameters}
    return experiment_spec_of(world | PROTOCOL | {"gamma": gamma}, document, "test")


def cases() -> Iterator[Case]:
    """Every agent that learns, with its policy types and the actions that each fits."""
    for agent in (name for name in AGENTS if name not in CLAIMS_NOTHING):
        fields = AGENTS[agent].hyperparameters
        policies = [c for field in fields if field.name == "policy_type" for c in field.choices]
        for case in ((agent, p, c) for p in policies or [""] for c in (True, False)):
            try:
                spec_of(case, "Together")
            except SpecError:
                continue
            yield case


CASES = list(cases())
FIRST = {case[0]: case for case in reversed(CASES)}
"""Agent -> its first case."""


@singledispatch
def value_of(agent: object, state: State, observation: Tensor, action: Tensor) -> Tensor:
    """What an agent has learned a greedy action `(lanes, 1, 1)` for an observation `(lanes, 1,
    dim)` to be worth, or the observation itself, `(lanes, 1)`."""
    raise NotImplementedError(f"where does {type(agent).__name__} keep its values?")


@value_of.register
def _(agent: SoftActorCritic, state: State, observation: Tensor, action: Tensor) -> Tensor:
    taken = agent.actions.to_unit(action)
    return agent.critic.value(state["critic"], observation, taken).amin(1)


@value_of.register
def _(agent: OffPolicyAgent, state: State, observation: Tensor, action: Tensor) -> Tensor:
    return agent.critic.value(state["critic"], observation, agent.actions.to_unit(action))


@value_of.register
def _(agent: ProximalPolicyOptimisation, state: State, observation: Tensor, _: Tensor) -> Tensor:
    return agent.evaluated(state["network"], observation)[1]


@value_of.register
def _(agent: LinearActorCritic, state: State, observation: Tensor, action: Tensor) -> Tensor:
    return values(state["weights"][:, :1], agent.tiles(observation)).squeeze(2)


@value_of.register
def _(agent: LinearActionValues, state: State, observation: Tensor, action: Tensor) -> Tensor:
    return values(state["weights"], agent.tiles(observation)).amax(2)


def training_of(case: Case, environment: str, gamma: float = GAMMA) -> Training:
    """A pack of native code before its first step."""
    spec = spec_of(case, environment, gamma)
    return Training(pack_of(spec, RUNS), make_context(spec, "compile"))


def wrong_answers(training: Training, probes: tuple[type[Probe], ...]) -> dict[str, Any]:
    """Probe -> x, the right answer and what each run has learned, where any is beyond tolerance."""
    agent, state, wrong = training.program.agent, training.state, {}
    for probe in probes:
        for x in {**probe.values, **probe.best}:
            row = torch.tensor(shown(probe, x, together=len(probes) > 1))
            observation = row.expand(len(RUNS), 1, -1)
            action = agent.act_greedily(state, observation)
            right, found, tolerance = probe.best.get(x), action, ACTION_TOLERANCE
            if right is None:
                right, tolerance = probe.values[x], VALUE_TOLERANCE
                found = value_of(agent, state, observation, action)
            if not bool(((found - right).abs() <= tolerance).all()):
                wrong[probe.__name__] = x, right, found.flatten().tolist()
    return wrong


QUICKEST = ("SAC", "PPO", "epsgreedy", "linearAC", "SoftmaxAC", "Sarsa", "ExpectedSarsa")


def marked(case: Case) -> Any:
    """A case, slow unless it is the first of an agent that is quick."""
    usual = case in FIRST.values() and case[0] in QUICKEST
    marks = () if usual else pytest.mark.slow
    return pytest.param(case, marks=marks, id="-".join(map(str, case)))


def test_every_agent_is_probed() -> None:
    """Only an agent that learns nothing fits no probe, and a solver."""
    assert FIRST.keys() == AGENTS.keys() - CLAIMS_NOTHING


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_an_agent_finds_all_answers(case: Case) -> None:
    """Every run learns the values of all states that have one, and the best actions of the others,
    from episodes of all probes."""
    training = training_of(case, "Together")
    training.run()
    assert not wrong_answers(training, PROBES)


SEVERAL = {
    ("PPO", "Softmax", False): {"n_steps": 16},
    ("SAC", "SquashedGaussian", True): {"updates_per_step": 8},
    ("GreedyAC", "Gaussian", True): {"updates_per_step": 8},
    ("epsgreedy", "Argmax", False): {"updates_per_step": 8},
}
"""Agents that may act in several worlds, and what makes as many updates of as many steps."""


@pytest.mark.slow
@pytest.mark.parametrize("case", SEVERAL, ids=lambda case: case[0])
def test_several_worlds_find_all_answers(case: Case) -> None:
    """Eight worlds of a run find what one finds."""
    spec = spec_of(case, "Together", num_worlds=8, **SEVERAL[case])
    training = Training(pack_of(spec, RUNS), make_context(spec, "compile"))
    training.run()
    assert not wrong_answers(training, PROBES)


@pytest.mark.slow
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("case", FIRST.values(), ids=FIRST)
def test_an_agent_finds_the_answer_of_one_probe(case: Case, probe: type[Probe]) -> None:
    """A probe's values or best actions are learned without the others, and evaluation earns what
    the best action does."""
    training = training_of(case, probe.__name__)
    runs = training.run()
    assert not wrong_answers(training, (probe,))
    if probe.best:
        assert all((run["eval_episode_rewards"][-1] >= 1 - ACTION_TOLERANCE).all() for run in runs)


class Mistake(NamedTuple):
    """Something that an agent may get wrong.

    Attributes:
        seen: the experience that it learns from, of the state after a step, the step, and whether
            the episode ended.
        noticed: names of the probes that tell.
        gamma: its discount.
    """

    seen: Callable[[State, Experience, Tensor], Experience]
    noticed: tuple[str, ...]
    gamma: float = GAMMA


MISTAKES = {
    "forgets to discount": Mistake(lambda state, e, ended: e, ("LateReward", "Truncated"), 1.0),
    "bootstraps a terminal state": Mistake(
        lambda state, e, ended: e._replace(terminated=torch.zeros_like(e.terminated)),
        ("ConstantReward", "ObservedValue", "LateReward"),
    ),
    "does not bootstrap a truncated episode": Mistake(
        lambda state, e, ended: e._replace(terminated=ended.float()), ("Truncated",)
    ),
    "bootstraps the next episode's start": Mistake(
        lambda state, e, ended: e._replace(next_observation=state["environment.observation"]),
        ("Truncated",),
    ),
    "mirrors actions": Mistake(
        lambda state, e, ended: e._replace(action=2 * CENTRE - e.action),
        ("OneBestAction", "BestActionShown"),
    ),
    "turns the reward's sign": Mistake(
        lambda state, e, ended: e._replace(reward=-e.reward),
        tuple(probe.__name__ for probe in PROBES),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_noticed(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that makes a mistake fails the probes that ask for what it gets wrong, no others."""
    training = training_of(("ExpectedSarsa", "", False), "Together", mistake.gamma)
    take_in = training.program.take_in

    def mistaken(
        state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor, learn: bool
    ) -> dict[str, Tensor]:
        seen = mistake.seen(state, experience, ended)
        return take_in(state, seen, ended, noise, step, learn)

    monkeypatch.setattr(training.program, "take_in", mistaken)
    training.run()
    assert wrong_answers(training, PROBES).keys() == set(mistake.noticed)
