"""What a spec may say of Sarsa(λ) and of Expected Sarsa(λ), and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.linear_footprint import LinearSizes, linear_footprint
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
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_METRICS = 1  # error
NUM_COLUMNS = 5  # gamma, step size, epsilon, its decay and its least


def sarsa_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of Sarsa(λ): it keeps its next action, and draws for it."""
    return _footprint(setting, environment, NUM_COLUMNS + 1, 2)


def expected_sarsa_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of Expected Sarsa(λ)."""
    return _footprint(setting, environment, NUM_COLUMNS, 1)


def _footprint(
    setting: Setting, environment: Interface, num_columns: int, num_draws: int
) -> AgentFootprint:
    tiles, rows = tile_sizes(setting, environment), environment.num_actions
    return linear_footprint(
        LinearSizes(
            tiles,
            rows,
            state_numbers=num_columns + 2 * tiles.num_active,
            learned_numbers=rows * tiles.num_features + 1,
            num_agent_draws=num_draws,
            num_metrics=NUM_METRICS,
        )
    )


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
    footprint=sarsa_footprint,
    fits=_fits,
    rules=RULES,
    doc="Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded observations.",
    source='Sutton and Barto, 2018, "Reinforcement Learning: An Introduction", section 12.7',
    hyperparameters=SARSA_FIELDS,
)

EXPECTED_SARSA = AgentDeclaration(
    name="ExpectedSarsa",
    program="nthrun.agents.linear_sarsa.program:ExpectedSarsa",
    footprint=expected_sarsa_footprint,
    fits=_fits,
    rules=RULES,
    doc="Expected Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded "
    "observations.",
    source='van Seijen et al., 2009, "A Theoretical and Empirical Analysis of Expected Sarsa"',
    hyperparameters=SARSA_FIELDS,
)
