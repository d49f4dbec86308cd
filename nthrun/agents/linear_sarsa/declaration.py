"""What a spec may say of Sarsa(λ) and of Expected Sarsa(λ), and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.layouts import LinearParts, columns, linear_layout
from nthrun.agents.sizes import TILE_FIELDS, fits_tiles, tile_sizes
from nthrun.specs.declaration import (
    AgentDeclaration,
    AtMost,
    Misfit,
    Setting,
    ValuesOf,
    fits_discrete,
)
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

COLUMNS = ("epsilon", "epsilon_decay", "epsilon_min")
"""Hyperparameters that are numbers of a lane, in its state by name."""


def sarsa_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of Sarsa(λ): it keeps its next action, and draws for it."""
    return _layout(setting, environment, ("next_action",), 2)


def expected_sarsa_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of Expected Sarsa(λ)."""
    return _layout(setting, environment, (), 1)


def _layout(
    setting: Setting, environment: Interface, kept: tuple[str, ...], num_draws: int
) -> Layout:
    rows, features = environment.num_actions, tile_sizes(setting, environment).num_features
    parts = LinearParts(
        rows,
        state=columns("gamma", "lr", *COLUMNS, *kept),
        learned={"critic.weight": (rows, features), **columns("epsilon")},
        metrics=("td_error",),
        num_agent_draws=num_draws,
    )
    return linear_layout(setting, environment, parts)


RULES = (AtMost("epsilon_min", "epsilon"),)
SARSA_FIELDS = (
    Field("decay", "float", 0.9, "λ of the traces", minimum=0, maximum=1),
    Field(
        "critic_lr", "float", 0.1, "step size, divided by the number of active features", minimum=0
    ),
    Field("epsilon", "float", 0.1, "probability of a random action", minimum=0, maximum=1),
    Field(
        "epsilon_decay", "float", 1.0, "factor of epsilon after every step", minimum=0, maximum=1
    ),
    Field("epsilon_min", "float", 0.0, "least epsilon", minimum=0, maximum=1),
    Field(
        "trace",
        "str",
        "replacing",
        "what an active feature's trace becomes: 1, or 1 more",
        choices=("replacing", "accumulating"),
        static=True,
    ),
    *TILE_FIELDS,
)


def _fits(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    yield from fits_discrete(interface, values_of)
    yield from fits_tiles(interface, values_of)


SARSA = AgentDeclaration(
    name="Sarsa",
    program="nthrun.agents.linear_sarsa.program:Sarsa",
    layout=sarsa_layout,
    fits=_fits,
    rules=RULES,
    doc="Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded observations.",
    source='Sutton and Barto, 2018, "Reinforcement Learning: An Introduction", section 12.7',
    hyperparameters=SARSA_FIELDS,
)

EXPECTED_SARSA = AgentDeclaration(
    name="ExpectedSarsa",
    program="nthrun.agents.linear_sarsa.program:ExpectedSarsa",
    layout=expected_sarsa_layout,
    fits=_fits,
    rules=RULES,
    doc="Expected Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded "
    "observations.",
    source='van Seijen et al., 2009, "A Theoretical and Empirical Analysis of Expected Sarsa"',
    hyperparameters=SARSA_FIELDS,
)
