"""Laws of fitting: who can act where, and that what is said of it reaches other processes."""

from __future__ import annotations

import pickle

import pytest

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.specs.declaration import AgentDeclaration, EnvironmentDeclaration

PENDULUM = {"env_name": "Pendulum-v1", "total_timesteps": 100}
CART = {"env_name": "CartPole-v1", "total_timesteps": 100}


@pytest.mark.parametrize(
    "declared", [*AGENTS.values(), *ENVIRONMENTS.values()], ids=lambda declared: declared.name
)
def test_a_declaration_crosses_processes(
    declared: AgentDeclaration | EnvironmentDeclaration,
) -> None:
    """Every declaration survives pickling, as workers need it."""
    assert pickle.loads(pickle.dumps(declared)).name == declared.name


@pytest.mark.parametrize(
    ("agent", "policy", "environment", "line"),
    [
        ("SAC", "SquashedGaussian", CART, 'hint: write "policy_type": ["Softmax"]'),
        ("SAC", "Softmax", PENDULUM, "allowed with continuous actions: SquashedGaussian, Gaussian"),
        ("linearAC", "", CART, "takes continuous actions, which the environment has not"),
        ("Sarsa", "", PENDULUM, "takes discrete actions, which the environment has not"),
        ("epsgreedy_SGD", "", CART, "takes continuous actions, which the environment has not"),
    ],
)
def test_an_agent_that_cannot_act_is_told(
    agent: str, policy: str, environment: dict[str, object], line: str
) -> None:
    """What keeps an agent from acting in an environment is one line that says what to do."""
    parameters = {"policy_type": policy} if policy else {}
    with pytest.raises(SpecError) as refused:
        experiment_spec_of(environment, {"agent_name": agent, "parameters": parameters}, "a.json")
    [told] = refused.value.lines()
    assert told.startswith("a.json: ")
    assert line in told
