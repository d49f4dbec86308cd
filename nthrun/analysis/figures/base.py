"""What a figure is that can be asked for by name: a function that draws it, and what it needs.

    @plot(of="environment", demo="agents/*.json", options=[click.Option(["--setting"], type=int)])
    def distribution(group: FigureData, setting: int | None) -> Drawn:
        '''Plot the distribution of returns, one figure an environment.'''

The decorated function is the figure. Shipped ones are in the table of `commands.plot`, and a user's
own is named there as `package.module:function`. The first sentences of the docstring are the
command's help, and each option is an argument of the function. Its files are called after the data
and the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import click
import numpy as np
from matplotlib.figure import Figure

from nthrun.analysis.figures.bands import OFFERED, STATISTICS
from nthrun.analysis.figures.saving import PlottedRuns
from nthrun.analysis.figures.style import Style
from nthrun.analysis.score_options import DIRECTION, LAST, METRIC
from nthrun.records.data import Data

Of = Literal["all", "environments", "environment", "data", "policy"]
"""What one figure is of: all DATA; all, with a part for each environment; those of one environment;
one of them; or what a run learned."""
Drawn = tuple[Figure, Sequence[PlottedRuns]]
"""A figure, and the runs it shows."""
SWEEP = "MountainCar-v0_SoftmaxAC.json"
"""Demo data with several settings."""


@dataclass(frozen=True, slots=True)
class FigureData:
    """Data that share a figure.

    Attributes:
        labelled: label and data of each, in the order given.
        single: whether every DATA has a figure of its own.
        title: of the figure, if one is asked for.
        style: its width and fonts.
    """

    labelled: Sequence[tuple[str, Data]]
    single: bool = False
    title: str | None = None
    style: Style = field(default_factory=Style)

    @property
    def data(self) -> dict[str, Data]:
        """Label -> data."""
        return dict(self.labelled)

    @property
    def environments(self) -> dict[str, dict[str, Data]]:
        """env_name -> label -> data."""
        groups: dict[str, dict[str, Data]] = {}
        for label, data in self.labelled:
            groups.setdefault(data.env_name, {})[label] = data
        return groups

    @property
    def agents(self) -> dict[str, str]:
        """Label -> agent_name."""
        return {label: data.agent_name for label, data in self.labelled}

    @property
    def name(self) -> str:
        """What the data are called in file names."""
        return "_".join(self._parts())

    @property
    def caption(self) -> str:
        """The title, or else what the data are called."""
        return self.title or ", ".join(self._parts())

    def _parts(self) -> list[str]:
        return [", ".join(self.environments), *(self.data if self.single else ())]


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A figure that can be asked for by name.

    Attributes:
        draw: takes a `FigureData`, or a `Learned` of a policy, and the options' values by name.
        of: what one figure is of.
        demo: what is drawn without DATA, a pattern of paths below docs/demo/.
        options: besides those that every figure has.
        file_name: what its files are called; takes what `draw` takes, the values as one mapping.
        arrays: of a policy's figure, what it shows, by name; takes what `draw` takes. Where it is
            there, `draw` takes its result behind the `Learned`, and the command can save it.
    """

    draw: Callable[..., Drawn]
    of: Of
    demo: str
    options: tuple[click.Option, ...]
    file_name: Callable[[Any, Mapping[str, Any]], str]
    arrays: Callable[..., Mapping[str, np.ndarray]] | None = None


def plot(
    of: Of = "all",
    demo: str = "",
    options: Sequence[click.Option] = (),
    file_name: Callable[[Any, Mapping[str, Any]], str] | None = None,
    arrays: Callable[..., Mapping[str, np.ndarray]] | None = None,
) -> Callable[[Callable[..., Drawn]], FigureKind]:
    """Make a function a figure that can be asked for by name; see `FigureKind`."""

    def made(draw: Callable[..., Drawn]) -> FigureKind:
        by_function = file_name or (lambda group, _: f"{group.name}_{draw.__name__}")
        return FigureKind(draw, of, demo, tuple(options), by_function, arrays)

    return made


class StageType(click.ParamType[Any]):
    """A stage's number, or `all`."""

    name = "stage"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; `all` stays."""
        if value == "all" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"got {value!r}, allowed: a number, or all", param, ctx)


STAGE_OPTION = click.Option(
    ["--stage"], type=StageType(), help="Stage of the runs, or all.  [default: the only one]"
)
BAND_OPTION = click.Option(
    ["--band"], type=click.Choice(OFFERED), help="[default: student; of medians rank]"
)
STATISTIC_OPTION = click.Option(
    ["--statistic"], type=click.Choice(STATISTICS), default="mean", show_default=True
)
PARAMETERS_OPTION = click.Option(
    ["--parameter", "parameters"], multiple=True, help="A hyperparameter.  [default: all swept]"
)
SCORE_OPTIONS = (
    click.Option(["--metric"], **METRIC),
    click.Option(["--last"], **LAST),
    click.Option(["--direction"], **DIRECTION),
    STAGE_OPTION,
)
"""Which number stands for a run; their values are arguments of `read_scores`."""
