"""What a spec may say of a gridworld."""

from __future__ import annotations

from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value
from nthrun.specs.interface import Interface

FIELDS = (
    Field("rows", "int", 5, "rows of the grid", minimum=2, maximum=100),
    Field("cols", "int", 5, "columns of the grid", minimum=2, maximum=100),
)
RULES = (
    "Walk from the corner (0, 0) of a grid to the opposite one, at -1 a step. Actions 0 to 3 are "
    "left, right, down and up; one into a wall goes nowhere. "
)
INDEX_DOC = RULES + "The observation is one-hot, of the cell y * cols + x."


def _index_interface(values: Mapping[str, Value]) -> Interface:
    rows, cols = values["rows"], values["cols"]
    assert isinstance(rows, int)
    assert isinstance(cols, int)
    low, high = ((bound,) * (rows * cols) for bound in (0.0, 1.0))
    return Interface(low, high, num_actions=4, state_dim=2, image=(rows, cols, 1))


def _cell_interface(values: Mapping[str, Value]) -> Interface:
    rows, cols = values["rows"], values["cols"]
    assert isinstance(rows, int)
    assert isinstance(cols, int)
    return Interface((0.0, 0.0), (float(cols), float(rows)), num_actions=4, state_dim=2)


def _number_interface(values: Mapping[str, Value]) -> Interface:
    rows, cols = values["rows"], values["cols"]
    assert isinstance(rows, int)
    assert isinstance(cols, int)
    return Interface((0.0,), (float(rows * cols),), num_actions=4, state_dim=2)


INDEX_GRIDWORLD = EnvironmentDeclaration(
    name="IndexGridworld",
    interface=_index_interface,
    program="nthrun.environments.gridworld.program:IndexGridworld",
    fields=FIELDS,
    continuous=(False,),
    doc=INDEX_DOC,
)
GRIDWORLD = EnvironmentDeclaration(
    name="Gridworld",
    interface=_index_interface,
    program="nthrun.environments.gridworld.program:IndexGridworld",
    fields=FIELDS,
    continuous=(False,),
    doc="IndexGridworld by a shorter name. " + INDEX_DOC,
)
XY_GRIDWORLD = EnvironmentDeclaration(
    name="XYGridworld",
    interface=Interface((0.0, 0.0), (1.0, 1.0), num_actions=4, state_dim=2),
    program="nthrun.environments.gridworld.program:XYGridworld",
    fields=FIELDS,
    continuous=(False,),
    doc=RULES + "The observation is (x / (cols - 1), y / (rows - 1)).",
)
CELL_GRIDWORLD = EnvironmentDeclaration(
    name="CellXYGridworld",
    interface=_cell_interface,
    program="nthrun.environments.gridworld.program:CellGridworld",
    fields=FIELDS,
    continuous=(False,),
    doc=RULES + "The observation is (x, y).",
)
NUMBER_GRIDWORLD = EnvironmentDeclaration(
    name="NumberGridworld",
    interface=_number_interface,
    program="nthrun.environments.gridworld.program:NumberGridworld",
    fields=FIELDS,
    continuous=(False,),
    doc=RULES + "The observation is the cell's number, y * cols + x.",
)
