"""`python -m nthrun plot NAME [DATA]...`: every figure by its name, and users' own.

The table says where each figure is; `analysis.figures.base` what it is. A user's own is named
`package.module:function`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nthrun.analysis.compatibility_checks import lengths_text
from nthrun.analysis.figures.base import FigureData, FigureKind
from nthrun.analysis.figures.saving import (
    Folders,
    require_kind,
    safe_name,
    save_arrays,
    save_as,
    save_figure,
)
from nthrun.analysis.figures.style import VENUES
from nthrun.analysis.scores import Stage, chosen_entries, lengths_of
from nthrun.commands.experiment_paths import data_path
from nthrun.commands.labelled_data import act_on_readable, open_labelled
from nthrun.commands.lazy_group import LazyGroup
from nthrun.commands.options import Command, trust_option
from nthrun.errors import NthrunError
from nthrun.records import Data
from nthrun.specs.shipped import demo_files
from nthrun.specs.trust import Trust
from nthrun.specs.user_class import user_class
from nthrun.terminal import show, warn

FIGURES = {
    "best_responses": (
        "nthrun.analysis.figures.games:best_responses",
        "What best responses to runs of a game gain.",
    ),
    "comparison": (
        "nthrun.analysis.figures.comparison:comparison",
        "Agents beside each other in each environment.",
    ),
    "decision_rules": (
        "nthrun.commands.decision_rules:decision_rules",
        "What a household of a Bewley run does.",
    ),
    "distribution": (
        "nthrun.analysis.figures.distribution:distribution",
        "How the scores of runs are distributed.",
    ),
    "equilibrium_functions": (
        "nthrun.commands.krusell_smith:equilibrium_functions",
        "What households of a KrusellSmith run do.",
    ),
    "game": (
        "nthrun.analysis.figures.games:game",
        "What roles of a game earn while they learn.",
    ),
    "heat_map": (
        "nthrun.analysis.figures.heat_map:heat_map",
        "The score over two hyperparameters.",
    ),
    "impulse_response": (
        "nthrun.commands.krusell_smith:impulse_response",
        "How a KrusellSmith run responds to productivity.",
    ),
    "law_of_motion": (
        "nthrun.commands.krusell_smith:law_of_motion",
        "What capital becomes in a KrusellSmith run.",
    ),
    "learning_curves": (
        "nthrun.analysis.figures.curves:learning_curves",
        "The return over training, or another metric.",
    ),
    "metrics": (
        "nthrun.analysis.figures.metrics:metrics",
        "What runs recorded of their updates and actions.",
    ),
    "oracle_gap": (
        "nthrun.analysis.figures.curves:oracle_gap",
        "How far solvers are from the exact solution.",
    ),
    "parallel": (
        "nthrun.analysis.figures.parallel:parallel",
        "Every setting as a line over its hyperparameters.",
    ),
    "parity": (
        "nthrun.analysis.figures.parity:parity",
        "One experiment against another, seed by seed.",
    ),
    "policy_map": (
        "nthrun.commands.policy_map:policy_map",
        "The policy of a GHM run over cash and time.",
    ),
    "resources": (
        "nthrun.analysis.figures.resources:resources",
        "Time and memory of runs, and what to ask for.",
    ),
    "sensitivity": (
        "nthrun.analysis.figures.sensitivity:sensitivity",
        "How much each swept hyperparameter matters.",
    ),
    "simulated_path": (
        "nthrun.commands.krusell_smith:simulated_path",
        "A path of a KrusellSmith run, and its wealth.",
    ),
}
"""Name -> where the figure is, and what it shows."""
DATA_HELP = (
    "DATA are data.json, data.h5, experiment directories or shards; without any, demo data "
    "are plotted. Prints the paths written."
)
POLICY_HELP = (
    "DATA is an experiment directory, a shard or data.h5; without it, demo data are plotted. "
    "Prints the path written."
)
DECORATE = "decorate it with @plot, as docs/figures.md shows"
DEBUG = click.Option(["--debug"], is_flag=True, help="Show tracebacks.")


@dataclass(frozen=True, slots=True)
class Output:
    """Where figures go, and how they look.

    Attributes:
        png_dir, pdf_dir, svg_dir: created if need be; without the last there is no SVG.
        name: of the files; None is what the figure calls itself.
        out: the only file to write, instead of those; None writes those.
        title: above the figure; None is what the figure has there.
        venue: a key of `VENUES`.
    """

    png_dir: str = "plots/png"
    pdf_dir: str = "plots/pdf"
    svg_dir: str | None = None
    name: str | None = None
    out: str | None = None
    title: str | None = None
    venue: str = "screen"

    @property
    def folders(self) -> Folders:
        """The folders of the files."""
        svg = None if self.svg_dir is None else Path(self.svg_dir)
        return Folders(Path(self.png_dir), Path(self.pdf_dir), svg)


DATA_PARAMETERS = (
    click.Argument(["data"], nargs=-1),
    click.Option(["--png-dir"], default="plots/png", show_default=True, help="Where PNG files go."),
    click.Option(["--pdf-dir"], default="plots/pdf", show_default=True, help="Where PDF files go."),
    click.Option(["--svg-dir"], help="Where SVG files go.  [default: none are written]"),
    click.Option(
        ["--label", "labels"], multiple=True, help="Name of a DATA; once for each, in order."
    ),
    click.Option(["--title"], help="Title of the figure.  [default: the environment's name]"),
    click.Option(["--name"], help="File name without suffix.  [default: by the figure]"),
    click.Option(
        ["--out"], metavar="FILE", help="Only this file, .png, .pdf or .svg, instead of all those."
    ),
    click.Option(
        ["--venue"],
        type=click.Choice(list(VENUES)),
        default="screen",
        show_default=True,
        help="Width and fonts.",
    ),
)
POLICY_PARAMETERS = (
    click.Argument(["data"], required=False),
    click.Option(["--index"], type=int, help="Which run.  [default: the lowest recorded]"),
    click.Option(["--stage"], type=int, help="Stage of the run.  [default: the lowest recorded]"),
    click.Option(["--step"], type=int, help="Training step of a snapshot.  [default: the end]"),
    click.Option(["--out"], metavar="FILE", help=".png, .pdf or .svg.  [default: by the figure]"),
    click.Option(["--trust"], **trust_option.settings),
)
ARRAYS_OPTION = click.Option(
    ["--npz"], metavar="FILE", help="Save what the figure shows as arrays by name, too."
)


class PlotGroup(LazyGroup):
    """The figures of the table, and any other that is named `package.module:function`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a figure; None if there is none of that name."""
        known = cmd_name in self.targets or ":" in cmd_name
        return figure_command(cmd_name) if known else None


plot = PlotGroup(
    "plot",
    FIGURES,
    help="Draw a figure of experiments: one of those below, or package.module:function, your own.",
)


def figure_command(name: str) -> click.Command:
    """The command that draws a figure.

    Args:
        name: in the table, or of a user's own.

    Raises:
        SpecError: a user's own cannot be imported, or is no figure.
    """
    target, _ = FIGURES.get(name, (name, ""))
    figure: FigureKind = user_class(target, "NAME", "plot", "draw", "figure", DECORATE)
    of_policy = figure.of == "policy"
    parameters = POLICY_PARAMETERS if of_policy else DATA_PARAMETERS
    saving = [ARRAYS_OPTION] if figure.arrays else []
    write = _write_policy_figure if of_policy else _write_figures

    def run(debug: bool, **options: Any) -> int:
        values = {option.name: options.pop(option.name) for option in figure.options if option.name}
        paths, code = write(figure, values, **options)
        for path in paths:
            show(path)
        return code

    text = inspect.cleandoc(figure.draw.__doc__ or "")
    return Command(
        name,
        callback=run,
        params=[*parameters, *saving, *figure.options, DEBUG],
        help=f"{text}\n\n{POLICY_HELP if of_policy else DATA_HELP}",
    )


def _write_figures(
    figure: FigureKind,
    values: Mapping[str, Any],
    data: Sequence[str],
    labels: Sequence[str],
    **output: Any,
) -> tuple[list[Path], int]:
    """Draw the figures of some data and write them; gives the paths, and the exit code.

    Raises:
        NthrunError: data cannot be read or drawn, the labels do not fit, or two figures would have
            one name. StorageError: a figure could not be written.
    """
    where = Output(**output)
    if where.out is not None:
        require_kind(Path(where.out))
        if where.name is not None:
            both = f"--out {where.out} --name {where.name}"
            raise NthrunError(f"{both}: allowed: one of both", "leave --name out")
    by_environment = figure.of in ("environment", "environments")
    labelled = open_labelled(data or demo_files(figure.demo), labels, by_environment)
    return act_on_readable(labelled, lambda read: _drawn(figure, values, read, where))


def _drawn(
    figure: FigureKind,
    values: Mapping[str, Any],
    labelled: Sequence[tuple[str, Data]],
    where: Output,
) -> list[Path]:
    """Draw the figures of opened data and write them."""
    groups = _groups(figure, labelled, where)
    if where.out is not None:
        return [_written_alone(figure, values, groups, where.out)]
    if figure.of == "environment" and where.name is not None:
        _require_one_environment(groups, where.name)
    if "last" in values:
        _warn_of_lengths(groups, values.get("stage"))
    names = [where.name or figure.file_name(group, values) for group in groups]
    _require_apart(names, where.folders)
    written: list[Path] = []
    for name, group in zip(names, groups, strict=True):
        drawn, shown = figure.draw(group, **values)
        written += save_figure(drawn, name, where.folders, shown)
    return written


def _written_alone(
    figure: FigureKind, values: Mapping[str, Any], groups: Sequence[FigureData], out: str
) -> Path:
    """Draw one figure and write it to one file.

    Raises:
        NthrunError: there are several figures.
    """
    if len(groups) > 1:
        names = ", ".join(group.name for group in groups)
        raise NthrunError(
            f"--out {out}: the data make {len(groups)} figures, allowed: one; they are {names}",
            "plot them by commands of their own, or leave --out out",
        )
    if "last" in values:
        _warn_of_lengths(groups, values.get("stage"))
    drawn, _ = figure.draw(groups[0], **values)
    save_as(drawn, Path(out))
    return Path(out)


def _warn_of_lengths(groups: Sequence[FigureData], stage: Stage) -> None:
    """Warn where a figure compares scores of runs of one environment but different lengths."""
    for group in groups:
        for environment, labelled in group.environments.items():
            lengths = {
                label: lengths_of(chosen_entries(data, stage)) for label, data in labelled.items()
            }
            if text := lengths_text(lengths, "train them as long, or compare learning curves"):
                warn(f"{environment}: {text}")


def _write_policy_figure(
    figure: FigureKind,
    values: Mapping[str, Any],
    data: str | None,
    out: str | None,
    trust: bool,
    npz: str | None = None,
    **run: int | None,
) -> tuple[list[Path], int]:
    """Draw what a run has learned and write it; gives the paths, and the exit code.

    Raises:
        NthrunError: there is no such run or step, or it cannot be drawn. StorageError: the figure
            could not be written.
    """
    from nthrun.training.saved_policy import read_learned  # noqa: PLC0415 - imports torch

    if out is not None:
        require_kind(Path(out))
    if npz is not None and Path(npz).suffix != ".npz":
        raise NthrunError(f"--npz {npz}: got suffix {Path(npz).suffix!r}, allowed: .npz")
    whose = Trust.USER if trust else Trust.READ
    source = data_path(str(data or demo_files(figure.demo)[0]))
    learned = read_learned(source, trust=whose, **run)
    path = Path(out or f"{figure.file_name(learned, values)}.png")
    require_kind(path)
    shown = [figure.arrays(learned, **values)] if figure.arrays else []
    drawn, _ = figure.draw(learned, *shown, **values)
    save_as(drawn, path)
    if npz is None:
        return [path], 0
    save_arrays(shown[0], Path(npz))
    return [path, Path(npz)], 0


def _groups(
    figure: FigureKind, labelled: Sequence[tuple[str, Data]], output: Output
) -> list[FigureData]:
    """Data that share a figure."""
    if figure.of == "data":
        parts = [[pair] for pair in labelled]
    elif figure.of == "environment":
        by_environment: dict[str, list[tuple[str, Data]]] = {}
        for label, data in labelled:
            by_environment.setdefault(data.env_name, []).append((label, data))
        parts = list(by_environment.values())
    else:
        parts = [list(labelled)]
    style = VENUES[output.venue]
    return [FigureData(part, figure.of == "data", output.title, style) for part in parts]


def _require_one_environment(groups: Sequence[FigureData], name: str) -> None:
    """Check that a name is not for the figures of several environments.

    Raises:
        NthrunError: it is.
    """
    if len(groups) > 1:
        names = ", ".join(group.name for group in groups)
        raise NthrunError(
            f"--name {name}: the data are of {len(groups)} environments: {names}",
            "leave --name out: each environment has its own figure",
        )


def _require_apart(names: Sequence[str], folders: Folders) -> None:
    """Check that figures of one command do not take each other's place.

    Raises:
        NthrunError: files of two would have one name.
    """
    for file, number in Counter(map(safe_name, names)).items():
        if number > 1:
            raise NthrunError(
                f"{folders.png / file}.png: {number} figures would be written here, allowed: one",
                "leave --name out, and give each DATA a --label of its own, or plot them by "
                "commands of their own",
            )
