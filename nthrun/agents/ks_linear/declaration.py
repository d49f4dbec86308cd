"""What a spec may say of the classical solution of Krusell and Smith, and what a lane costs."""

from __future__ import annotations

from nthrun.environments.krusell_smith.declaration import MODEL
from nthrun.specs.declaration import AgentDeclaration, FitsModel, Setting
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

NUM_NODES = 41
"""Points of K of the tables that are played."""
TABLES = ("assets", "log_capital", "saving", "law")
DEFAULT, LOG_LINEAR, QUADRATIC = "default", "log_linear", "quadratic"
SOLVING_BYTES_PER_NUMBER = 80
"""Bytes held once a pack while the law is found, for each number of the table that is played
[measured: 53]."""
SOLVING_BYTES = 50_000_000
"""And whatever its size: the code."""
ACTING_NUMBERS = 48
"""Numbers held for one household to act, the indices and shares of the tables among them."""


def ks_linear_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of what is saved: points of wealth and of K, and a table over them by state of Z
    and kind; and of the law by state."""
    points, states, kinds = setting["num_points"], environment.num_states, environment.num_kinds
    tables = {
        "assets": (points,),
        "log_capital": (NUM_NODES,),
        "saving": (states, kinds, NUM_NODES, points),
        "law": (states, 3),
    }
    return Layout(
        state=tables,
        learned=tables,
        dtypes=dict.fromkeys(tables, "float64"),
        update_bytes=SOLVING_BYTES + SOLVING_BYTES_PER_NUMBER * states * kinds * NUM_NODES * points,
        acting_bytes=8 * ACTING_NUMBERS * environment.action_dim,
    )


KS_LINEAR = AgentDeclaration(
    name="ks_linear",
    program="nthrun.agents.ks_linear.program:ClassicalSolution",
    layout=ks_linear_layout,
    fits=FitsModel(MODEL),
    solves=True,
    doc=(
        "The classical solution of an economy of Krusell and Smith before the first step: a law of "
        "motion of capital that is its own forecast. Households that expect it choose by "
        "endogenous grid points, live along a path of productivity in a histogram, and the law of "
        "least squares of that path is what they expect next. The solution is kept on disk."
    ),
    source=(
        "Krusell and Smith (1998); Carroll (2006); Young (2010); Maliar, Maliar and Valli (2010)"
    ),
    hyperparameters=(
        Field(
            "law",
            "str",
            DEFAULT,
            "log K' by log K in each state of Z: log_linear or quadratic; default is quadratic "
            "where labour is chosen, so that K moves far, else log_linear",
            choices=(DEFAULT, LOG_LINEAR, QUADRATIC),
            static=True,
        ),
        Field(
            "num_points",
            "int",
            300,
            "points of wealth on which households are counted, and play",
            minimum=20,
            maximum=20_000,
            static=True,
        ),
        Field(
            "num_choices",
            "int",
            150,
            "points of a' at which the Euler equation is solved",
            minimum=20,
            maximum=20_000,
            static=True,
        ),
        Field(
            "capital_step",
            "float",
            0.2,
            "step of log K between points at which it is solved",
            minimum=0.01,
            maximum=1.0,
            static=True,
        ),
        Field(
            "wealth_top",
            "float",
            0.0,
            "highest wealth of the grids; 0 is as high as the economy asks for",
            minimum=0,
            maximum=1e9,
            static=True,
        ),
        Field(
            "tolerance",
            "float",
            1e-6,
            "by how much log K' may still change from law to law",
            minimum=1e-12,
            maximum=0.1,
            static=True,
        ),
        Field(
            "max_rounds",
            "int",
            100,
            "laws that are tried",
            minimum=1,
            maximum=10_000,
            static=True,
        ),
    ),
)
