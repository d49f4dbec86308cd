"""nthrun: research experiments by number.

One integer, the index, names one run: index -> (setting, seed) -> one training -> one record.

What is named here is for use from outside, and stays; everything else may move. A name is
imported when it is first used, so that `import nthrun` is instant and nothing needs torch that
does not train.

* Records: `open_data` gives the nested data of an experiment, `table` one row a run,
  `episode_table` and `evaluation_table` one row an episode.
* Sweeps: `read_experiment_spec` reads the spec files; its `sweep` turns an index into a setting.
  `split_index`, `join_index` and `random_seed` are the arithmetic of indices.
* Agents, solvers and environments of yours: the contracts, `Field`, `Interface`, `gradient`,
  `repeat`; `parent_fields` and `start_from` for those that start from a recorded run.
* Games: `Role`, `RolesEnvironment`, `FitsRoles`, and what cuts a joint action into choices by role;
  of matrix games `payoff_tables`, `responses`, `response_gains` and `nash_equilibria`.
* Policies: `load_policy` gives a recorded one to act with.
* Statistics and figures: from `read_scores` to `interquartile_mean`; `plot_utils`, `save_figure`.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

_IMPORTED_AT = time.time()
"""Seconds since 1970. A source file that is newer may not be what this process has imported."""

if TYPE_CHECKING:
    from nthrun.agents.base import Agent as Agent
    from nthrun.agents.base import Experience as Experience
    from nthrun.agents.base import Noise as Noise
    from nthrun.agents.base import State as State
    from nthrun.agents.base import gradient as gradient
    from nthrun.agents.base import lane_column as lane_column
    from nthrun.agents.base import start_from as start_from
    from nthrun.agents.fields import parent_fields as parent_fields
    from nthrun.agents.mc_pg.declaration import fits_episodes as fits_episodes
    from nthrun.agents.parents import Parent as Parent
    from nthrun.agents.repeat import repeat as repeat
    from nthrun.agents.solver import CyclicSolver as CyclicSolver
    from nthrun.agents.solver import SampledPlay as SampledPlay
    from nthrun.agents.solver import Solver as Solver
    from nthrun.analysis.choice import choose as choose
    from nthrun.analysis.choice import choose_across as choose_across
    from nthrun.analysis.comparison import interquartile_mean as interquartile_mean
    from nthrun.analysis.comparison import mann_whitney as mann_whitney
    from nthrun.analysis.comparison import paired_comparison as paired_comparison
    from nthrun.analysis.comparison import performance_profile as performance_profile
    from nthrun.analysis.comparison import probability_of_improvement as probability_of_improvement
    from nthrun.analysis.comparison import welch as welch
    from nthrun.analysis.curves import best_setting as best_setting
    from nthrun.analysis.curves import learning_curve as learning_curve
    from nthrun.analysis.curves import step_weighted_curve as step_weighted_curve
    from nthrun.analysis.estimates import estimate as estimate
    from nthrun.analysis.estimates import sample as sample
    from nthrun.analysis.figures import plot_utils as plot_utils
    from nthrun.analysis.figures.base import Drawn as Drawn
    from nthrun.analysis.figures.base import FigureData as FigureData
    from nthrun.analysis.figures.base import plot as plot
    from nthrun.analysis.figures.curves import runs_of_curves as runs_of_curves
    from nthrun.analysis.figures.saving import save_as as save_as
    from nthrun.analysis.figures.style import agent_colour as agent_colour
    from nthrun.analysis.figures.style import new_figure as new_figure
    from nthrun.analysis.figures.style import step_axis as step_axis
    from nthrun.analysis.intervals import percentile_bootstrap as percentile_bootstrap
    from nthrun.analysis.intervals import student_interval as student_interval
    from nthrun.analysis.intervals import tolerance_interval as tolerance_interval
    from nthrun.analysis.scores import read_scores as read_scores
    from nthrun.environments.base import Environment as Environment
    from nthrun.environments.base import HostEnvironment as HostEnvironment
    from nthrun.environments.base import Transition as Transition
    from nthrun.environments.base import make_environment as make_environment
    from nthrun.environments.matrix_game.declaration import payoff_tables as payoff_tables
    from nthrun.environments.matrix_game.equilibria import nash_equilibria as nash_equilibria
    from nthrun.environments.matrix_game.equilibria import response_gains as response_gains
    from nthrun.environments.matrix_game.equilibria import responses as responses
    from nthrun.environments.roles import RolesEnvironment as RolesEnvironment
    from nthrun.environments.roles import RolesTransition as RolesTransition
    from nthrun.environments.roles import choices_of as choices_of
    from nthrun.environments.roles import joint_action as joint_action
    from nthrun.environments.roles import mask_penalty as mask_penalty
    from nthrun.errors import NthrunError as NthrunError
    from nthrun.errors import SpecError as SpecError
    from nthrun.index import format_indices as format_indices
    from nthrun.index import join_index as join_index
    from nthrun.index import parse_indices as parse_indices
    from nthrun.index import random_seed as random_seed
    from nthrun.index import split_index as split_index
    from nthrun.planning.experiment_spec import ExperimentSpec as ExperimentSpec
    from nthrun.planning.experiment_spec import read_experiment_spec as read_experiment_spec
    from nthrun.records.data import Data as Data
    from nthrun.records.data import open_data as open_data
    from nthrun.records.snapshots import read_snapshot as read_snapshot
    from nthrun.records.tables import episode_table as episode_table
    from nthrun.records.tables import evaluation_table as evaluation_table
    from nthrun.records.tables import table as table
    from nthrun.specs.declaration import AtMost as AtMost
    from nthrun.specs.declaration import Divides as Divides
    from nthrun.specs.declaration import FitsRoles as FitsRoles
    from nthrun.specs.declaration import Setting as Setting
    from nthrun.specs.declaration import fits_any as fits_any
    from nthrun.specs.declaration import fits_continuous as fits_continuous
    from nthrun.specs.declaration import fits_discrete as fits_discrete
    from nthrun.specs.declaration import fits_single as fits_single
    from nthrun.specs.environment_spec import EnvironmentSpec as EnvironmentSpec
    from nthrun.specs.environment_spec import score_field as score_field
    from nthrun.specs.field import Field as Field
    from nthrun.specs.footprint import AgentFootprint as AgentFootprint
    from nthrun.specs.interface import Interface as Interface
    from nthrun.specs.interface import Role as Role
    from nthrun.specs.layout import Layout as Layout
    from nthrun.specs.sweep import Sweep as Sweep
    from nthrun.training.saved_policy import Policy as Policy
    from nthrun.training.saved_policy import load_policy as load_policy

__version__ = "0.1.0"

_NAMES = {
    "nthrun.agents.base": ("Agent Experience Noise State gradient lane_column start_from"),
    "nthrun.agents.fields": "parent_fields",
    "nthrun.agents.mc_pg.declaration": "fits_episodes",
    "nthrun.agents.parents": "Parent",
    "nthrun.agents.repeat": "repeat",
    "nthrun.agents.solver": "CyclicSolver SampledPlay Solver",
    "nthrun.analysis.choice": "choose choose_across",
    "nthrun.analysis.comparison": "interquartile_mean mann_whitney paired_comparison "
    "performance_profile probability_of_improvement welch",
    "nthrun.analysis.curves": "best_setting learning_curve step_weighted_curve",
    "nthrun.analysis.estimates": "estimate sample",
    "nthrun.analysis.figures.base": "Drawn FigureData plot",
    "nthrun.analysis.figures.curves": "runs_of_curves",
    "nthrun.analysis.figures.saving": "save_as",
    "nthrun.analysis.figures.style": "agent_colour new_figure step_axis",
    "nthrun.analysis.intervals": "percentile_bootstrap student_interval tolerance_interval",
    "nthrun.analysis.scores": "read_scores",
    "nthrun.environments.base": "Environment HostEnvironment Transition make_environment",
    "nthrun.environments.matrix_game.declaration": "payoff_tables",
    "nthrun.environments.matrix_game.equilibria": "nash_equilibria response_gains responses",
    "nthrun.environments.roles": (
        "RolesEnvironment RolesTransition choices_of joint_action mask_penalty"
    ),
    "nthrun.errors": "NthrunError SpecError",
    "nthrun.index": "format_indices join_index parse_indices random_seed split_index",
    "nthrun.planning.experiment_spec": "ExperimentSpec read_experiment_spec",
    "nthrun.records.data": "Data open_data",
    "nthrun.records.snapshots": "read_snapshot",
    "nthrun.records.tables": "episode_table evaluation_table table",
    "nthrun.specs.declaration": (
        "AtMost Divides FitsRoles Setting fits_any fits_continuous fits_discrete fits_single"
    ),
    "nthrun.specs.environment_spec": "EnvironmentSpec score_field",
    "nthrun.specs.field": "Field",
    "nthrun.specs.footprint": "AgentFootprint",
    "nthrun.specs.interface": "Interface Role",
    "nthrun.specs.layout": "Layout",
    "nthrun.specs.sweep": "Sweep",
    "nthrun.training.saved_policy": "Policy load_policy",
}
"""Module -> what is public of it."""

_MODULES = {"plot_utils": "nthrun.analysis.figures.plot_utils"}
"""Name -> a module that is public as a whole."""

_SOURCES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [*_SOURCES, *_MODULES]  # noqa: PLE0604 - its strings are in the table


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _SOURCES:
        raise AttributeError(f"module 'nthrun' has no attribute {name!r}")
    value = getattr(import_module(_SOURCES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
