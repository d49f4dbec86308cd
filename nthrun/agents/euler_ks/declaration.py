"""What a spec may say of the solver of the Euler equation, and what a lane costs."""

from __future__ import annotations

from nthrun.agents.fields import BETAS
from nthrun.agents.krusell_smith.fields import (
    FITS,
    LIVED,
    LR_SCHEDULE,
    MAX_GRAD_NORM,
    MAX_RESETS,
    PRETRAINED,
    acting_numbers,
    crowd_numbers,
    hidden,
    num_households,
    num_inputs,
    num_worlds,
    panel_draws,
    panel_shapes,
    pretrained,
    restarted,
)
from nthrun.agents.layouts import FLOAT_BYTES, adam_shapes, columns, schedule_shapes
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import AgentDeclaration, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

COLUMNS = ("max_grad_norm", "restart_share")
"""Hyperparameters that are numbers of a lane, in its state by name."""
KEPT = ("policy", "policy.mean", "policy.square", "adam.powers", *LIVED)
"""What a lane goes back to."""
OFF_PATH_DRAWS = 2
"""Uniform numbers for each household off the path."""
OFF_PATH_METRIC = "euler_residual_off_path"
METRICS = (
    *("loss", "lr", "resets", "euler_residual"),
    *("r", "w", "capital", "consumption"),
)
UPDATE_COPIES = 8
"""Copies of the parameters that an update holds [measured]."""
GRADIENT_COPIES, LAYER_COPIES, OUTPUT_COPIES = 8, 4, 6
"""Copies of all layers' outputs that a gradient holds, and without one of the widest layer's and of
what belongs to every kind [measured]."""
NUMBERS_OF_A_HOUSEHOLD = 32
"""Numbers of a household beside what a layer puts out, with gradients [measured]."""


def network_shape(setting: Setting, environment: Interface) -> MLPShape:
    """The rule's."""
    return MLPShape(num_inputs(environment), setting["hidden"], environment.num_kinds)


def euler_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout: a network, a panel, and what a lane goes back to."""
    shape = network_shape(setting, environment)
    state = {**adam_shapes({"policy": (shape.num_params(),)}), **panel_shapes(setting, environment)}
    schedule = schedule_shapes({name: state[name] for name in KEPT})
    first, period = panel_draws(setting, environment)
    off_path = setting["num_worlds"] * setting["off_path_households"]
    looked_at = setting["num_worlds"] * setting["num_households"] + off_path
    states, widths = environment.num_states, shape.widths()
    ahead = LAYER_COPIES * max(widths) + OUTPUT_COPIES * environment.num_kinds
    held = GRADIENT_COPIES * sum(widths) + states * ahead + NUMBERS_OF_A_HOUSEHOLD
    crowd = states * crowd_numbers(setting, environment)
    return Layout(
        state={**state, **schedule, **columns(*COLUMNS)},
        learned=shape.named_shapes("policy."),
        metrics=(*METRICS, OFF_PATH_METRIC) if off_path else METRICS,
        num_simulation_draws=setting["updates_per_step"]
        * (period + first + setting["num_worlds"] + OFF_PATH_DRAWS * off_path),
        update_bytes=FLOAT_BYTES * (looked_at * held + crowd + UPDATE_COPIES * shape.num_params()),
        acting_bytes=FLOAT_BYTES * acting_numbers(environment, shape.widths()),
    )


EULER_KS = AgentDeclaration(
    name="euler_ks",
    program="nthrun.agents.euler_ks.program:EulerKS",
    layout=euler_layout,
    fits=FITS,
    solves=True,
    parent=PRETRAINED,
    parent_shares=("hidden",),
    doc=(
        "Solves the economy of Krusell and Smith by its Euler equation, with exact expectations "
        "over the next productivity and kind: every step moves a network's consumption rule "
        "towards what the equation says, on a simulated panel of worlds."
    ),
    source=(
        "Maliar, Maliar and Winant (2021), Deep learning for solving dynamic economic models, "
        "Journal of Monetary Economics 122"
    ),
    hyperparameters=(
        num_worlds(8),
        num_households(256),
        Field(
            "off_path_households",
            "int",
            8,
            "households of a world that are looked at beside those that live in it",
            minimum=0,
            maximum=100_000,
            static=True,
        ),
        Field(
            "updates_per_step",
            "int",
            5,
            "updates of a step, each followed by a period that the panel lives",
            minimum=1,
            maximum=1000,
            static=True,
        ),
        restarted(0.0),
        hidden("hidden", (64, 64), "rule"),
        Field("lr", "float", 2e-3, "step size at the start", above=0),
        LR_SCHEDULE,
        Field("lr_factor", "float", 0.7, "what it falls to on a plateau", above=0, maximum=1),
        Field("lr_patience", "int", 2000, "updates without progress that are one", minimum=1),
        MAX_GRAD_NORM,
        MAX_RESETS,
        BETAS,
        *pretrained("the network starts"),
    ),
)
