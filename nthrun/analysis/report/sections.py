"""What a report says of one experiment in words and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

from nthrun.analysis.choice import Choice
from nthrun.analysis.estimates import Estimate
from nthrun.analysis.hyperparameters import value_key
from nthrun.analysis.report.findings import Findings
from nthrun.analysis.report.markup import (
    NOTHING,
    Html,
    details,
    element,
    number_text,
    shortened,
    table,
)
from nthrun.analysis.report.standing import Standing

MAX_CONTENDERS = 20
MAX_VALUES = 12
FEW_RUNS = 10
"""From so many on the bootstrap's interval has the mean in nine of ten cases."""
NUM_STATIC = 50
"""Settings that the page shows without its script, and on each page with it."""


def best(found: Findings) -> Iterator[Html]:
    """The best setting in every stage, apart, and what else could be the best."""
    yield element("h3", "Best setting")
    if found.choice is None:
        problem = f"No run has a finite value of {found.scores.metric}: no setting can be chosen."
        yield element("p", problem, class_="warning")
        return
    choice = found.choice
    better = "higher" if choice.higher_is_better else "lower"
    share = "" if found.question.last == 100 else f", the last {found.question.last:g} % of steps"
    which = (
        f"is the best of {choice.num_settings}" if choice.num_settings > 1 else "is the only one"
    )
    yield element(
        "p",
        "Setting ",
        element("strong", str(found.setting)),
        f" {which} by {found.scores.label}{share} ({better} is better). Runs compared: "
        f"{choice.num_runs}; of them lost, not completed or without a finite value: "
        f"{choice.num_lost}.",
    )
    head = ("stage", "which runs", "mean", "95 % bootstrap interval", "runs", "lost", "missing")
    yield table(f"Setting {found.setting}, stage by stage", head, _stages(found, choice))
    yield from (element("p", note, class_="note") for note in _notes(found, choice))
    if gap := found.gap():
        yield element("p", f"Mean oracle gap of setting {found.setting}: {gap.text()}.")
    yield from _contenders(found, choice)


def hyperparameters(found: Findings, standing: Standing) -> Iterator[Html]:
    """Values swept and chosen, and those that all settings share."""
    swept = standing.columns[standing.num_own :]
    parameters = found.scores.parameters
    chosen = {} if found.choice is None else found.choice.parameters
    yield element("h3", "Hyperparameters")
    search = ", ".join(f"{key} {_text(value)}" for key, value in found.search.items())
    yield element("p", "Search: ", element("code", shortened(search)))
    if swept:
        rows = [
            (
                name,
                _values([each[name] for each in parameters.values() if name in each]),
                _text(chosen[name]) if name in chosen else NOTHING,
            )
            for name in swept
        ]
        head = ("hyperparameter", "values in settings with runs", "in the best setting")
        yield table("Hyperparameters swept", head, rows)
    else:
        yield element("p", "All settings with runs have the same hyperparameters.")
    first = next(iter(parameters.values()))
    fixed = [(name, _text(value)) for name, value in first.items() if name not in swept]
    if fixed:
        rows_of_fixed = table("The same in all settings", ("hyperparameter", "value"), fixed)
        yield details(f"{len(fixed)} that are the same in all settings", rows_of_fixed)


def settings(found: Findings, number: int, standing: Standing) -> Iterator[Html]:
    """The table of settings; a script makes it sortable and gives it its other pages."""
    if len(standing.rows) < 2:
        return
    shown = standing.rows[:NUM_STATIC]
    rows = [[cell if isinstance(cell, str) else number_text(cell) for cell in row] for row in shown]
    left = len(standing.rows) - len(shown)
    if left:
        yield element(
            "noscript",
            element(
                "p",
                f"The best {len(shown)} of {len(standing.rows)}; a browser with JavaScript "
                "shows the others.",
                class_="note",
            ),
        )
    caption = f"Settings of {found.label} by {found.scores.label}, with Student's 95 % intervals"
    yield element(
        "div",
        table(caption, standing.columns, rows),
        class_="settings",
        data_table=f"settings-{number}",
    )


def _stages(found: Findings, choice: Choice) -> Iterator[Sequence[str]]:
    what = "these chose it: biased upward" if choice.num_settings > 1 else "the only setting"
    if choice.num_settings > 1 and not choice.higher_is_better:
        what = "these chose it: biased downward"
    yield [str(found.stage), what, *_cells(choice.estimates[0])]
    for stage, estimate in found.elsewhere.items():
        if estimate is None:
            yield [str(stage), "none of this setting", *[NOTHING] * 5]
        else:
            yield [str(stage), "other seeds, which did not choose it: unbiased", *_cells(estimate)]


def _cells(estimate: Estimate) -> tuple[str, ...]:
    interval = f"{number_text(estimate.low)} to {number_text(estimate.high)}"
    if math.isnan(estimate.low):
        interval = "too few runs"
    counts = (estimate.num_runs, estimate.num_lost, estimate.num_missing)
    return (number_text(estimate.value), interval, *map(str, counts))


def _notes(found: Findings, choice: Choice) -> Iterator[str]:
    if choice.num_settings > 1:
        yield (
            "The estimate by the runs that chose the setting is biased: the best of noisy means "
            "looks better than it is (upward where higher is better). Stages are never mixed."
        )
        if not any(found.elsewhere.values()):
            yield "It is not confirmed: train the setting with fresh seeds (main.py --rerun)."
    estimates = [choice.estimates[0], *filter(None, found.elsewhere.values())]
    if any(1 < one.num_runs - one.num_lost < FEW_RUNS for one in estimates):
        yield f"Bootstrap intervals of fewer than {FEW_RUNS} runs are too narrow."


def _contenders(found: Findings, choice: Choice) -> Iterator[Html]:
    if choice.num_settings == 1:
        return
    if choice.num_unsure == choice.num_settings:
        yield element("p", "One run a setting does not tell which others could be the best.")
        return
    swept = [
        name
        for name in choice.parameters
        if len({value_key(each.get(name)) for each in found.scores.parameters.values()}) > 1
    ]
    rows = [
        [
            str(each.settings[0]),
            f"{each.probability:.4f}",
            number_text(each.score),
            str(each.num_runs),
            str(each.num_lost),
            *(
                _text(found.scores.parameters[each.settings[0]].get(name, NOTHING))
                for name in swept
            ),
        ]
        for each in choice.contenders[:MAX_CONTENDERS]
    ]
    drawn = "together by seed" if choice.paired else "of each setting by themselves"
    caption = f"Which could be the best, by {choice.num_resamples:,} resamples of runs, {drawn}"
    yield table(caption, ("setting", "probability", "mean", "runs", "lost", *swept), rows)
    if others := choice.contenders[MAX_CONTENDERS:]:
        rest = sum(each.probability for each in others)
        yield element("p", f"{len(others)} more, {rest:.4f} together.")
    if choice.num_unsure:
        unsure = f"{choice.num_unsure} settings have fewer than two completed runs"
        yield element("p", f"These probabilities are too sure: {unsure}.", class_="note")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _values(values: Sequence[object]) -> str:
    distinct = list({value_key(value): value for value in values}.values())
    if len(distinct) <= MAX_VALUES:
        return ", ".join(map(_text, distinct))
    numbers = [v for v in distinct if isinstance(v, int | float)]
    ends = (
        (min(numbers), max(numbers))
        if len(numbers) == len(distinct)
        else distinct[:: len(distinct) - 1]
    )
    return f"{_text(ends[0])} to {_text(ends[1])} ({len(distinct)} values)"
