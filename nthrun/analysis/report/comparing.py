"""Several experiments beside one another, environment by environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nthrun.analysis.curves import Curve
from nthrun.analysis.figures.style import looks
from nthrun.analysis.report import pictures
from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.line_chart import Chart
from nthrun.analysis.report.markup import Html, element, number_text, table
from nthrun.analysis.report.plot import Plot
from nthrun.analysis.report.plots import Numbers, charted, curve_of
from nthrun.errors import NthrunError


def overview(group: Sequence[Findings]) -> Html:
    """A row an experiment, which links to its section."""
    head = (
        "experiment",
        "environment",
        "agent",
        "stage",
        "settings",
        "runs",
        "lost",
        "best setting",
        "mean",
        "95 % bootstrap interval",
    )
    rows = [
        (element("a", found.label, href=f"#experiment-{number}"), *_row(found))
        for number, found in enumerate(group)
    ]
    metric = ", ".join(dict.fromkeys(found.scores.label for found in group))
    return table(f"Experiments, by {metric}", head, rows)


def by_environment(group: Sequence[Findings]) -> dict[str, list[Findings]]:
    """Environments that several experiments are of -> these."""
    found: dict[str, list[Findings]] = {}
    for one in group:
        found.setdefault(one.env_name, []).append(one)
    return {env_name: several for env_name, several in found.items() if len(several) > 1}


def plots_together(
    env_name: str, group: Sequence[Findings], number: int, numbers: Numbers
) -> Iterator[Plot | str]:
    """Plots of the experiments of one environment, or why there is none.

    Args:
        env_name: of the environment.
        group: its experiments.
        number: of the environment in the report.
        numbers: added to.
    """
    curves: dict[str, Curve] = {}
    for found in group:
        try:
            if found.setting is not None:
                curves[found.label] = curve_of(found, found.setting, found.stage)
        except NthrunError as error:
            yield f"No learning curve of {found.label}: {error.message}."
    if curves:
        agents = {found.label: found.agent_name for found in group}
        text = f"Learning curves on {env_name}: the best setting of each experiment."
        chart = Chart(f"together-{number}", text, curves, looks(agents[one] for one in curves))
        yield charted(chart, "Learning curves together", numbers)
    yield from filter(None, [pictures.distribution({f.label: (f, f.scores) for f in group})])


def _row(found: Findings) -> tuple[str, ...]:
    scores = found.scores
    told = (
        *(found.env_name, found.agent_name, str(found.stage)),
        *(str(len(scores.parameters)), str(len(scores)), str(int(scores.lost.sum()))),
    )
    if found.choice is None:
        return (*told, "none has a value", number_text(None), number_text(None))
    [estimate] = found.choice.estimates
    interval = f"{number_text(estimate.low)} to {number_text(estimate.high)}"
    return (*told, str(found.setting), number_text(estimate.value), interval)
