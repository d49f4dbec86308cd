"""What a spec may say of the random agent."""

from nthrun.agents.random_agent.footprint import random_footprint
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.field import Field

RANDOM = AgentDeclaration(
    name="random",
    program="nthrun.agents.random_agent.algorithm:RandomAgent",
    footprint=random_footprint,
    doc="Uniform actions; learns nothing. Only in training are they drawn anew at every step: an "
    "evaluation plays one fixed action for an observation, a policy drawn for the run. Compare "
    "with its returns in training.",
    hyperparameters=(
        Field("policy_type", "str", "Uniform", "distribution over actions", choices=("Uniform",)),
    ),
)
