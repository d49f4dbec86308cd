"""The page: a report as one HTML file that needs no other and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nthrun.analysis.choice_text import (
    CONTENDER_COLUMNS,
    choice_notes,
    contender_notes,
    contender_rows,
    contenders_title,
)
from nthrun.analysis.hyperparameters import (
    plain_text,
    setting_text,
    values_text,
    varying_values,
)
from nthrun.analysis.optuna_trials import importance_text
from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.report.experiment_summary import ExperimentSummary, lengths_side_by_side
from nthrun.analysis.report.plots import (
    data_address,
    parallel_coordinates,
    plots_of,
    plots_together,
)
from nthrun.analysis.report.reproduction import commands, count_provenance, spec_files
from nthrun.analysis.report.settings_table import settings_table
from nthrun.analysis.unfinished import unfinished_notes
from nthrun.terminal import printable_text, readable_text

PACKAGE = "nthrun.analysis.report"
MARKER = Markup('<meta name="generator" content="nthrun report"/>')
"""What tells a report from other files."""
NOTHING = "–"
MAX_VALUES = 12
"""Values of a hyperparameter that are listed one by one."""
MAX_TEXT = 300
"""Characters that are kept of a long text."""


def report_page(summaries: Sequence[ExperimentSummary], title: str) -> str:
    """The page of some experiments.

    Args:
        summaries: of the experiments, at least one, in their order.
        title: of the page.
    """
    style, script = _asset("page.css"), _asset("page.js")
    return (
        templates()
        .get_template("page.html")
        .render(
            marker=MARKER,
            policy=_policy(style, script),
            title=title,
            style=style,
            script=script,
            metric=", ".join(dict.fromkeys(summary.scores.label for summary in summaries)),
            summaries=summaries,
            together={
                env_name: list(plots_together(env_name, several))
                for env_name, several in _by_environment(summaries).items()
            },
            lengths=list(lengths_side_by_side(summaries)),
            experiments=[_experiment(summary) for summary in summaries],
        )
    )


def is_report(start: bytes) -> bool:
    """Whether a file that starts so is a report."""
    return MARKER.encode() in start


def _by_environment(
    summaries: Sequence[ExperimentSummary],
) -> dict[str, list[ExperimentSummary]]:
    """Environments that several experiments are of -> these."""
    groups: dict[str, list[ExperimentSummary]] = {}
    for summary in summaries:
        groups.setdefault(summary.env_name, []).append(summary)
    return {env_name: several for env_name, several in groups.items() if len(several) > 1}


def _experiment(summary: ExperimentSummary) -> dict[str, Any]:
    """What `experiment.html` shows of an experiment, by the names that it has there."""
    settings = ranked_settings(summary.scores)
    table = settings_table(settings, summary.choice)
    parameters = summary.scores.parameters.values()
    varying = varying_values(parameters)
    return {
        "summary": summary,
        "source": readable_text(str(summary.data.source)),
        "table": table,
        "search": setting_text(summary.search, summary.search),
        "varying": varying,
        "chosen": {} if summary.choice is None else summary.choice.parameters,
        "shared": {n: v for n, v in next(iter(parameters)).items() if n not in varying},
        "choice": _choice_text(summary, list(varying)),
        "plots": list(plots_of(summary, settings, list(varying))),
        "parallel": list(parallel_coordinates(summary, settings, table)),
        "provenance": count_provenance(summary.data),
        "spec_files": spec_files(summary),
        "commands": list(commands(summary)),
    }


def _choice_text(summary: ExperimentSummary, varying: Sequence[str]) -> dict[str, Any]:
    """What `choice.html` says of the choice of an experiment; empty where there is none."""
    choice = summary.choice
    if choice is None:
        return {}
    return {
        "notes": [*choice_notes(choice), *unfinished_notes([summary.scores])],
        "importance": importance_text(summary.scores) if summary.question.importance else "",
        "contenders_title": contenders_title(choice),
        "contenders_head": [*CONTENDER_COLUMNS, *varying],
        "contenders": contender_rows(choice, summary.scores.parameters, varying),
        "contender_notes": list(contender_notes(choice)),
    }


def templates() -> Environment:
    """The templates: everything put into them is escaped, and a name they lack is an error."""
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    filters = {
        "cell": _cell,
        "shortened": _shortened,
        "capital": lambda text: text[:1].upper() + text[1:],
        "value": plain_text,
        "values": lambda values: values_text(values, MAX_VALUES),
        "address": lambda text: data_address(text.encode(), "application/json"),
    }
    environment.filters.update(filters)
    return environment


def _shown(value: object) -> object:
    """What is put into a template: of a text, control characters are written out."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable_text(value)
    return value


def _cell(value: object) -> str:
    """A text, a count, a number or nothing as tables show it."""
    if isinstance(value, float):
        return NOTHING if math.isnan(value) else f"{value:.6g}"
    return NOTHING if value is None else str(value)


def _shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _policy(style: str, script: str) -> str:
    """What the browser is to let the page do: show itself, run its own script, load nothing."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> Markup:
    """A file of the package, which the page has as it is."""
    text = resources.files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)
