"""The data that a figure is of: opened, labelled, by environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import click

from nthrun.errors import NthrunError
from nthrun.records import Data, open_data

DEMO = Path(__file__).resolve().parents[2] / "docs" / "demo"
SWEEP = "MountainCar-v0_SoftmaxAC.json"
"""Demo data with several settings."""

Paths = Sequence[str | PathLike[str]]
Labelled = dict[str, Data]
"""Label -> data."""


def demo_files(*patterns: str) -> list[Path]:
    """Shipped demo data, sorted.

    Args:
        patterns: of paths below docs/demo/.

    Raises:
        NthrunError: there are none.
    """
    files = sorted(path for pattern in patterns for path in DEMO.glob(pattern))
    if not files:
        raise NthrunError(f"{DEMO}: no demo data here", "give a data.json as an argument")
    return files


def open_labelled(paths: Paths, labels: Sequence[str] | None) -> Labelled:
    """Label -> data, in the order given; says what cannot be read of them.

    Raises:
        NthrunError: a file cannot be read, or the labels do not fit.
    """
    labelled: Labelled = {}
    for group in open_groups(paths, labels, by_environment=False).values():
        labelled |= group
    return labelled


def open_groups(
    paths: Paths, labels: Sequence[str] | None, by_environment: bool = True
) -> dict[str, Labelled]:
    """env_name -> label -> data, in the order given; says what cannot be read of them.

    Args:
        paths: of the data.
        labels: one for each; None takes them from the files' names.
        by_environment: otherwise there is one group, of no name.

    Raises:
        NthrunError: a file cannot be read, or the labels do not fit.
    """
    opened = [open_data(Path(path)) for path in paths]
    for path, problem in (pair for one in opened for pair in one.unreadable):
        click.echo(f"warning: {path}: {problem}; left out", err=True)
    if labels and len(labels) != len(opened):
        raise NthrunError(
            f"--label: got {len(labels)} labels for {len(opened)} data",
            "give one --label for each DATA, in the same order",
        )
    names = [env_name(one) if by_environment else "" for one in opened]
    groups: dict[str, Labelled] = {}
    for label, name, data in zip(
        labels or _default_labels(opened, names), names, opened, strict=True
    ):
        group = groups.setdefault(name, {})
        if label in group:
            raise NthrunError(
                f"{data.source}: label {label!r} is taken", "give each DATA its own --label"
            )
        group[label] = data
    return groups


def require_one(groups: dict[str, Labelled], name: str | None) -> None:
    """Check that a name is not for several figures.

    Raises:
        NthrunError: it is.
    """
    if name is not None and len(groups) > 1:
        problem = f"--name {name}: the data are of {len(groups)} environments: {', '.join(groups)}"
        raise NthrunError(problem, "leave --name out: each environment has its own figure")


def agents_of(labelled: Labelled) -> dict[str, str]:
    """Label -> agent_name."""
    return {label: agent_name(data) for label, data in labelled.items()}


def agent_name(data: Data) -> str:
    """Of the agent spec."""
    return str(data["experiment"]["agent"]["agent_name"])


def env_name(data: Data) -> str:
    """Of the environment spec."""
    return str(data["experiment"]["environment"]["env_name"])


def env_names(labelled: Labelled) -> str:
    """Of all data, each once."""
    return ", ".join(dict.fromkeys(map(env_name, labelled.values())))


def _default_labels(opened: Sequence[Data], groups: Sequence[str]) -> list[str]:
    """Short labels; those that two DATA of one group would share become their paths."""
    short = [*zip(groups, map(_short_label, opened), strict=True)]
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
    return label.removeprefix(f"{env_name(data)}_")
