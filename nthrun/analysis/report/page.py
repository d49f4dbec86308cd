"""The page: a report as one HTML file that needs no other and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from string import Template

from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report import comparing, making, sections
from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.markup import Html, element, joined, json_for_script
from nthrun.analysis.report.plot import Plot
from nthrun.analysis.report.plots import Numbers, parallel, plots_of
from nthrun.analysis.report.reproducing import source_text
from nthrun.analysis.report.standing import standing
from nthrun.analysis.report.status import status

MARKER = '<meta name="generator" content="nthrun report"/>'
"""What tells a report from other files."""
SCRIPTS = ("tables.js", "curves.js", "parallels.js", "copying.js")


def report_page(group: Sequence[Findings], title: str) -> str:
    """The page of some experiments.

    Args:
        group: of them, at least one, in their order.
        title: of the page.
    """
    numbers: Numbers = {}
    body = [
        element("h1", title),
        element("div", comparing.overview(group), class_="overview"),
        *_together(group, numbers),
    ]
    for number, found in enumerate(group):
        body.append(_experiment(found, number, numbers))
    style, script = _asset("page.css"), "\n".join(map(_asset, SCRIPTS))
    return Template(_asset("page.html")).substitute(
        marker=MARKER,
        policy=element(
            "meta", http_equiv="Content-Security-Policy", content=_policy(style, script)
        ),
        title=joined(title),
        style=style,
        body=joined(*body),
        numbers=json_for_script(numbers),
        script=script,
    )


def is_report(start: bytes) -> bool:
    """Whether a file that starts so is a report."""
    return MARKER.encode() in start


def _together(group: Sequence[Findings], numbers: Numbers) -> Iterator[Html]:
    for number, (env_name, several) in enumerate(comparing.by_environment(group).items()):
        plots = comparing.plots_together(env_name, several, number, numbers)
        yield element("section", element("h2", f"{env_name}: experiments together"), *_plots(plots))


def _experiment(found: Findings, number: int, numbers: Numbers) -> Html:
    scored = ranked_settings(found.scores)
    table = standing(scored, found.choice)
    if len(table.rows) > 1:
        numbers.setdefault("tables", []).append(
            {
                "name": f"settings-{number}",
                "columns": table.columns,
                "rows": table.rows,
                "page": sections.NUM_STATIC,
            }
        )
    source = source_text(found.data.source)
    return element(
        "section",
        element("h2", found.label),
        element(
            "p", f"{found.agent_name} on {found.env_name}, read from ", element("code", source)
        ),
        *status(found),
        *sections.best(found),
        *sections.hyperparameters(found, table),
        element("h3", "Plots"),
        *_plots(plots_of(found, number, scored, table, numbers)),
        *([element("h3", "Settings")] if len(table.rows) > 1 else []),
        *_plots(parallel(found, number, scored, table, numbers)),
        *sections.settings(found, number, table),
        *making.provenance(found),
        *making.reproduction(found),
        id=f"experiment-{number}",
    )


def _plots(plots: Iterator[Plot | str]) -> Iterator[Html]:
    for plot in plots:
        yield plot.html() if isinstance(plot, Plot) else element("p", plot, class_="note")


def _policy(style: str, script: str) -> str:
    """What the browser is to let the page do: show itself, run its own script, load nothing."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return resources.files("nthrun.analysis.report").joinpath(name).read_text(encoding="utf-8")
