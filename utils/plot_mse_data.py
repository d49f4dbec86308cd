#!/usr/bin/env python3
"""Plot learning curves: the mean step-weighted return over the runs of one setting.

Runs of solvers, which have no training episodes, are shown by the returns of their evaluations.

    python utils/plot_mse_data.py                       the demo data under docs/demo/
    python utils/plot_mse_data.py DATA [DATA ...]       data.json, data.h5, experiments, shards

Of each DATA the best setting is drawn; DATA of one environment share a figure.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures import learning_curve_figure, save_figure  # noqa: E402  (needs ROOT)
from nthrun.analysis.statistics import learning_curve  # noqa: E402
from nthrun.commands.entry import execute  # noqa: E402
from nthrun.errors import NthrunError  # noqa: E402
from nthrun.records import Data, open_data  # noqa: E402

DEMO = ROOT / "docs" / "demo"
PNG_DIR = "plots/png"
PDF_DIR = "plots/pdf"


def plot_mse_data(  # noqa: PLR0913  (the command's options, one by one)
    data: Sequence[str | PathLike[str]] = (),
    png_dir: str | PathLike[str] = PNG_DIR,
    pdf_dir: str | PathLike[str] = PDF_DIR,
    labels: Sequence[str] | None = None,
    *,
    title: str | None = None,
    name: str | None = None,
    stage: int | None = None,
    setting: int | None = None,
    metric: str | None = None,
) -> list[Path]:
    """Plot the learning curve of one setting of each DATA, one figure an environment.

    Args:
        data: data.json, data.h5, experiment directories or shards; none is docs/demo/*.json.
        png_dir, pdf_dir: where the figures go; created if need be.
        labels: one for each DATA; None takes them from the files' names.
        title, name: of the figures and of their files; None is the environment's name, which for
            files the metric follows.
        stage, setting: whose runs; None is the lowest stage and the best setting of each DATA.
        metric: one of the records' eval_metrics to plot instead of returns.

    Returns:
        the paths written: for each figure a .png, a .pdf and a .runs.json.

    Raises:
        NthrunError: a file cannot be read or has nothing to show, the labels do not fit, or one
            name is given for several figures. StorageError: a figure could not be written.
    """
    written: list[Path] = []
    for env_name, group in _figures(data, labels, name).items():
        curves = {
            label: learning_curve(one, setting, stage, metric) for label, one in group.items()
        }
        figure = learning_curve_figure(curves, title or env_name)
        file = name or (f"{env_name}_{metric}" if metric else env_name)
        written += save_figure(figure, file, Path(png_dir), Path(pdf_dir), curves)
    return written


def demo_files() -> list[Path]:
    """The shipped demo data.

    Raises:
        NthrunError: there is none.
    """
    files = sorted(DEMO.glob("*.json"))
    if not files:
        raise NthrunError(f"{DEMO}: no demo data here", "give a data.json as an argument")
    return files


def _figures(
    paths: Sequence[str | PathLike[str]], labels: Sequence[str] | None, name: str | None
) -> dict[str, dict[str, Data]]:
    """env_name -> label -> data, opened; says what cannot be read of them.

    Raises:
        NthrunError: a file cannot be read, the labels do not fit, or one name is given for several
            figures.
    """
    opened = [open_data(Path(path)) for path in paths or demo_files()]
    for path, problem in (pair for one in opened for pair in one.unreadable):
        click.echo(f"warning: {path}: {problem}; left out", err=True)
    groups = _by_environment(opened, labels)
    if name is not None and len(groups) > 1:
        problem = f"--name {name}: the data are of {len(groups)} environments: {', '.join(groups)}"
        raise NthrunError(problem, "leave --name out: each environment has its own figure")
    return groups


def _by_environment(
    opened: Sequence[Data], labels: Sequence[str] | None
) -> dict[str, dict[str, Data]]:
    """env_name -> label -> data, in the order given."""
    if labels and len(labels) != len(opened):
        raise NthrunError(
            f"--label: got {len(labels)} labels for {len(opened)} data",
            "give one --label for each DATA, in the same order",
        )
    groups: dict[str, dict[str, Data]] = {}
    for label, data in zip(labels or _default_labels(opened), opened, strict=True):
        group = groups.setdefault(_env_name(data), {})
        if label in group:
            raise NthrunError(
                f"{data.source}: label {label!r} is taken", "give each DATA its own --label"
            )
        group[label] = data
    return groups


def _default_labels(opened: Sequence[Data]) -> list[str]:
    """Short labels; those that two DATA of one environment would share become their paths."""
    short = [(_env_name(data), _short_label(data)) for data in opened]
    count = Counter(short)
    return [
        str(data.source) if count[pair] > 1 else pair[1]
        for pair, data in zip(short, opened, strict=True)
    ]


def _short_label(data: Data) -> str:
    """The experiment's name without its environment's, or a single file's own name."""
    path = data.source.resolve()
    if path.is_dir():
        label = path.name
    elif path.stem == "data":
        label = path.parent.name
    else:
        label = path.stem
    return label.removeprefix(f"{_env_name(data)}_")


def _env_name(data: Data) -> str:
    return str(data["experiment"]["environment"]["env_name"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", nargs=-1)
@click.option("--png-dir", default=PNG_DIR, show_default=True, help="Where PNG files go.")
@click.option("--pdf-dir", default=PDF_DIR, show_default=True, help="Where PDF files go.")
@click.option("--label", "labels", multiple=True, help="Legend of a DATA; once for each, in order.")
@click.option("--title", help="Title of the figures.  [default: the environment's name]")
@click.option("--name", help="File name without suffix.  [default: the environment's name]")
@click.option("--stage", type=int, help="Stage of the runs.  [default: the lowest recorded]")
@click.option("--setting", type=int, help="Setting to plot.  [default: the best of each DATA]")
@click.option("--metric", help="An evaluation metric, such as oracle_gap.  [default: the return]")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool, **options: Any) -> None:
    """Plot the learning curve of each DATA's best setting, one figure an environment.

    DATA is a data.json, a data.h5, an experiment directory or a shard; without any, the demo
    data under docs/demo/ are plotted. Prints the paths written.
    """
    for path in plot_mse_data(**options):
        click.echo(path)


if __name__ == "__main__":
    execute(main)
