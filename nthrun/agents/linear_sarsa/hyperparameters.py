"""What a spec may say of Sarsa and of ExpectedSarsa."""

from collections.abc import Iterator

from nthrun.agents.linear_sarsa.footprint import expected_sarsa_footprint, sarsa_footprint
from nthrun.agents.tile_coding_sizes import TILE_FIELDS, fits_tiles
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.field import Field
from nthrun.specs.fitting import Misfit, ValuesOf, fits_discrete
from nthrun.specs.interface import Interface

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
    program="nthrun.agents.linear_sarsa.algorithm:Sarsa",
    footprint=sarsa_footprint,
    fits=_fits,
    rules=RULES,
    doc="Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded observations.",
    source='Sutton and Barto, 2018, "Reinforcement Learning: An Introduction", section 12.7',
    hyperparameters=SARSA_FIELDS,
)

EXPECTED_SARSA = AgentDeclaration(
    name="ExpectedSarsa",
    program="nthrun.agents.linear_sarsa.algorithm:ExpectedSarsa",
    footprint=expected_sarsa_footprint,
    fits=_fits,
    rules=RULES,
    doc="Expected Sarsa(λ) with an ε-greedy policy and linear action values of tile-coded "
    "observations.",
    source='van Seijen et al., 2009, "A Theoretical and Empirical Analysis of Expected Sarsa"',
    hyperparameters=SARSA_FIELDS,
)
