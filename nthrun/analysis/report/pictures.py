"""Figures of `nthrun.analysis.figures` as pictures within the page."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nthrun.analysis.figures.distribution import distribution_figure
from nthrun.analysis.figures.heat_map import heat_map_figure
from nthrun.analysis.figures.reading import shown_of_entries
from nthrun.analysis.figures.resources import costs_of, resources_figure, suggestion
from nthrun.analysis.figures.saving import Shown, save_as
from nthrun.analysis.figures.sensitivity import sensitivity_figure
from nthrun.analysis.figures.setting_scores import shown_of_settings
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.markup import data_address, element
from nthrun.analysis.report.plot import Plot
from nthrun.analysis.scores import ALL_STAGES, Scores, chosen_entries

MAX_VALUES = 30
"""Of a hyperparameter that sensitivity curves and heat maps show."""
MAX_TEXT = 60
"""Characters of a name in a picture."""


def sensitivity(found: Findings, settings: RankedSettings, names: Sequence[str]) -> Plot | None:
    """Sensitivity curves of hyperparameters with few values; None where there are none."""
    few = [name for name in names if 1 < len(np.unique(settings.keys(name))) <= MAX_VALUES]
    if not few or found.choice is None:
        return None
    label = _plain(found.label)
    agents = {label: found.agent_name}
    figure, shown = sensitivity_figure({label: found.scores}, few, _title(found), agents=agents)
    others = [name for name in names if name not in few]
    note = (
        f"Not shown, having more than {MAX_VALUES} values: {', '.join(others)}." if others else ""
    )
    text = (
        f"Sensitivity of {found.scores.label} to {', '.join(few)}: the best setting at each value, "
        "and the others held as in the best setting."
    )
    return _plot("Sensitivity", text, figure, shown, note)


def heat_map(found: Findings, settings: RankedSettings, names: Sequence[str]) -> Plot | None:
    """The two hyperparameters with the most values; None where fewer than two have few."""
    counts = {name: len(np.unique(settings.keys(name))) for name in names}
    two = sorted((n for n in names if counts[n] <= MAX_VALUES), key=lambda name: -counts[name])[:2]
    if len(two) < 2 or found.choice is None:
        return None
    figure, shown = heat_map_figure(found.scores, two, _title(found))
    text = f"Mean {found.scores.label} over {two[0]} and {two[1]}, the others at their best."
    return _plot("Two hyperparameters", text, figure, shown)


def distribution(lines: Mapping[str, tuple[Findings, Scores]]) -> Plot | None:
    """How the runs of best settings are distributed; None where none has a value.

    Args:
        lines: name -> an experiment, and the scores of one of its stages.
    """
    values: dict[str, np.ndarray] = {}
    shown: list[Shown] = []
    for name, (found, scores) in lines.items():
        own = scores.settings == found.setting
        if own.any():
            values[name] = np.where(scores.lost, np.nan, scores.values)[own]
            settings = ranked_settings(scores)
            shown += shown_of_settings(
                settings, np.flatnonzero(settings.numbers == found.setting), name
            )
    if not any(np.isfinite(one).any() for one in values.values()):
        return None
    axis = " or ".join(dict.fromkeys(lines[name][1].label for name in values))
    plain = _apart(list(values))
    agents = {text: lines[name][0].agent_name for text, name in plain.items()}
    figure = distribution_figure(
        {text: values[name] for text, name in plain.items()},
        axis,
        "runs of the best settings",
        agents=agents,
    )
    text = f"Histogram of {axis} of the runs of {', '.join(values)}."
    return _plot("Distribution over runs", text, figure, shown)


def resources(found: Findings) -> Plot:
    """Time and memory of all runs of all stages."""
    costs = costs_of(found.data, ALL_STAGES)
    figure = resources_figure(
        {_plain(found.label): costs}, _title(found), {_plain(found.label): found.agent_name}
    )
    seconds = costs.seconds[np.isfinite(costs.seconds)]
    text = (
        f"Histograms of time and peak memory of {len(costs.seconds)} runs: "
        f"{_duration(seconds.sum())} in all; ask a cluster for {suggestion(costs)}."
    )
    shown = shown_of_entries(found.data, chosen_entries(found.data, ALL_STAGES), "all runs")
    return _plot("Time and memory", text, figure, shown)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def _apart(names: Sequence[str]) -> dict[str, str]:
    """Short texts, numbered where two would be the same -> the names that they stand for."""
    texts = [_plain(name) for name in names]
    if len(set(texts)) < len(texts):
        texts = [f"{number}: {text}" for number, text in enumerate(texts, 1)]
    return dict(zip(texts, names, strict=True))


def _title(found: Findings) -> str:
    return _plain(f"{found.env_name}, {found.label}")


def _plain(text: str) -> str:
    """A short text, with a letter for every byte."""
    return _short(text).encode(errors="replace").decode()


def _short(text: str) -> str:
    half = MAX_TEXT // 2
    return text if len(text) <= MAX_TEXT else f"{text[:half]}…{text[-half:]}"


def _plot(title: str, text: str, figure: Any, shown: Sequence[Shown], note: str = "") -> Plot:
    """A plot of one of Matplotlib's figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figure.svg")
        save_as(figure, path)
        address = data_address(path.read_bytes(), "image/svg+xml")
    picture = element("div", element("img", src=address, alt=text), class_="paper")
    return Plot(title, picture, " ".join(filter(None, (text, note))), shown)
