"""Options that commands of figures share, and where their figures go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure

from nthrun.analysis.figures.saving import Folders, Shown, safe_name, save_figure
from nthrun.analysis.figures.style import VENUES, Style
from nthrun.analysis.scores import DIRECTIONS, Stage
from nthrun.errors import NthrunError

PNG_DIR = "plots/png"
PDF_DIR = "plots/pdf"

Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Output:
    """Where figures go, and how they look.

    Attributes:
        png_dir, pdf_dir, svg_dir: created if need be; without the last there is no SVG.
        name: of the files; None is what the figure calls itself.
        title: above the figure; None is the environment's name.
        venue: a key of `VENUES`.
    """

    png_dir: str | Path = PNG_DIR
    pdf_dir: str | Path = PDF_DIR
    svg_dir: str | Path | None = None
    name: str | None = None
    title: str | None = None
    venue: str = "screen"

    @property
    def style(self) -> Style:
        """Of the venue."""
        return VENUES[self.venue]

    def require_apart(self, names: Iterable[str]) -> None:
        """Check that figures of one command do not take each other's place.

        Args:
            names: that the figures call themselves, all of them.

        Raises:
            NthrunError: files of two would have one name.
        """
        files = Counter(safe_name(self.name or name) for name in names)
        for file, number in files.items():
            if number > 1:
                raise NthrunError(
                    f"{Path(self.png_dir) / file}.png: {number} figures would be written here, "
                    "allowed: one",
                    "leave --name out, and give each DATA a --label of its own, or plot them by "
                    "commands of their own",
                )

    def save(self, figure: Figure, name: str, shown: Iterable[Shown]) -> list[Path]:
        """Write a figure and the list of its runs; gives the paths.

        Raises:
            StorageError: a file could not be written.
        """
        svg = None if self.svg_dir is None else Path(self.svg_dir)
        folders = Folders(Path(self.png_dir), Path(self.pdf_dir), svg)
        return save_figure(figure, self.name or name, folders, shown)


@dataclass(frozen=True, slots=True)
class ScoreChoice:
    """Which number stands for a run.

    Attributes:
        metric, last, direction, stage: as `read_scores` takes them.
    """

    metric: str | None = None
    last: float = 100.0
    direction: str | None = None
    stage: Stage = None


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


STAGE = StageType()


def figure_command(function: Command) -> click.Command:
    """A command of a figure: `function` gets `data`, `labels` and `output` besides its own."""
    names = ("png_dir", "pdf_dir", "svg_dir", "name", "title", "venue")

    def run(debug: bool, **options: Any) -> None:
        output = Output(**{name: options.pop(name) for name in names})
        options["labels"] = list(options["labels"]) or None
        function(output=output, **options)

    run.__doc__ = function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_FIGURE_OPTIONS):
        option(run)
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(run)


def score_options(function: Command) -> Command:
    """`--metric`, `--last`, `--direction` and `--stage`, as one argument `choice`."""

    def run(
        metric: str | None, last: float, direction: str | None, stage: Any, **options: Any
    ) -> None:
        function(choice=ScoreChoice(metric, last, direction, stage), **options)

    run.__doc__ = function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_SCORE_OPTIONS):
        option(run)
    return run


def echo_paths(paths: Iterable[Path]) -> None:
    """Print paths, one a line."""
    for path in paths:
        click.echo(path)


_FIGURE_OPTIONS = (
    click.argument("data", nargs=-1),
    click.option("--png-dir", default=PNG_DIR, show_default=True, help="Where PNG files go."),
    click.option("--pdf-dir", default=PDF_DIR, show_default=True, help="Where PDF files go."),
    click.option("--svg-dir", help="Where SVG files go.  [default: none are written]"),
    click.option(
        "--label", "labels", multiple=True, help="Name of a DATA; once for each, in order."
    ),
    click.option("--title", help="Title of the figure.  [default: the environment's name]"),
    click.option("--name", help="File name without suffix.  [default: by the figure]"),
    click.option(
        "--venue",
        type=click.Choice(list(VENUES)),
        default="screen",
        show_default=True,
        help="Width and fonts.",
    ),
    click.option("--debug", is_flag=True, help="Show tracebacks."),
)
_SCORE_OPTIONS = (
    click.option(
        "--metric",
        help="return, evaluation, final_evaluation, train_time, peak_memory, or any that the runs "
        "recorded, such as oracle_gap.  [default: the search's, else return]",
    ),
    click.option(
        "--last",
        type=float,
        default=100.0,
        show_default=True,
        metavar="PERCENT",
        help="Only the last so many percent of each run.",
    ),
    click.option(
        "--direction",
        type=click.Choice(DIRECTIONS),
        help="What is better.  [default: as is known of the metric]",
    ),
    click.option("--stage", type=STAGE, help="Stage of the runs, or all.  [default: the only one]"),
)
