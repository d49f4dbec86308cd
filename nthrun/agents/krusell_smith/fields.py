"""What a spec may say of learners of the economies of Krusell and Smith, and sizes they share."""

from __future__ import annotations

from collections.abc import Sequence

from nthrun.agents.fields import parent_fields
from nthrun.environments.krusell_smith.declaration import MODEL
from nthrun.specs.declaration import FitsModel, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Shapes

NUM_OWN = 2
"""Inputs of a network that tell of the household."""
ACTING_COPIES = 4
"""Copies of what a household's choice goes through [measured]."""
CROWD_COPIES = 6
"""Copies of what every cell of a histogram gives every bin [measured]."""
NUM_SHARED = 2
"""Inputs that every world shows: Z and K."""
LIVED = ("assets", "kind", "tfp_state", "masses")
"""The state of a panel: of its households the first two, of its worlds the others."""


def num_worlds(default: int) -> Field:
    """The field of how many worlds a panel has."""
    doc = "worlds simulated side by side: times num_households they are the batch of an update"
    return Field("num_worlds", "int", default, doc, minimum=1, maximum=100_000, static=True)


def num_households(default: int) -> Field:
    """The field of how many households each of them has."""
    doc = "households of each of them, every one a sample of an update"
    return Field("num_households", "int", default, doc, minimum=1, maximum=100_000, static=True)


def hidden(name: str, default: tuple[int, ...], whose: str) -> Field:
    """The field of a network's hidden layers."""
    doc = f"widths of the hidden layers of the {whose}"
    return Field(name, "ints", default, doc, minimum=2, maximum=4096, static=True)


def restarted(default: float) -> Field:
    """The field of how many worlds begin anew."""
    doc = "share of worlds that begin anew in a step, so that all kinds of them are met"
    return Field("restart_share", "float", default, doc, minimum=0, maximum=1)


PRETRAINED = "pretrained"
"""Hyperparameter that names the experiment of the run that another goes on from."""


def pretrained(begins: str) -> tuple[Field, ...]:
    """The fields of such a run.

    Args:
        begins: what begins as it was there.
    """
    doc = f"directory of the experiment, beside the own one, with whose run {begins}"
    return parent_fields(PRETRAINED, f"{doc}; the optimisers start afresh")


MAX_RESETS = Field(
    "max_resets",
    "int",
    10,
    "how often a run that lost its numbers goes back before it is recorded as diverged",
    minimum=0,
)
MAX_GRAD_NORM = Field(
    "max_grad_norm", "float", 1.0, "a longer gradient is cut to this length", above=0
)
LR_SCHEDULE = Field(
    "lr_schedule",
    "str",
    "linear",
    "whether step sizes fall to 0 in a line over total_timesteps, or stay but for plateaus",
    choices=("linear", "constant"),
    static=True,
)

FITS = FitsModel(MODEL)


def num_inputs(environment: Interface) -> int:
    """Inputs of a network."""
    return NUM_OWN + NUM_SHARED + environment.crowd_dim


def num_cells(environment: Interface) -> int:
    """Cells of a histogram; 0 of a panel."""
    return environment.action_dim if environment.crowd_dim > 1 else 0


def crowd_numbers(setting: Setting, environment: Interface) -> int:
    """Numbers that a histogram's move to the next period goes through, of all worlds."""
    bins = num_cells(environment) // environment.num_kinds
    worlds: int = setting["num_worlds"]
    return CROWD_COPIES * worlds * num_cells(environment) * bins


def acting_numbers(environment: Interface, widths: Sequence[int]) -> int:
    """Numbers that the choices of all of a world go through.

    Args:
        widths: of the network's layers.
    """
    return ACTING_COPIES * environment.action_dim * (sum(widths) + environment.num_kinds)


def panel_draws(setting: Setting, environment: Interface) -> tuple[int, int]:
    """Uniform numbers that new worlds need, and those of a period."""
    worlds, households = setting["num_worlds"], setting["num_worlds"] * setting["num_households"]
    bins = num_cells(environment) // environment.num_kinds
    return (2 + bins) * worlds + 2 * households, worlds + households


def panel_shapes(setting: Setting, environment: Interface) -> Shapes:
    """The state of a panel."""
    worlds, households = setting["num_worlds"], setting["num_households"]
    each = (worlds, households)
    shapes = (each, each, (worlds, 1), (worlds, num_cells(environment)))
    return dict(zip(LIVED, shapes, strict=True))
