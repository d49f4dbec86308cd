"""A choice in words, and the table of the values swept and chosen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nthrun.analysis.choice import Choice
from nthrun.analysis.estimates import Estimate
from nthrun.analysis.scores import Scores

FORMATS = ("text", "csv", "latex")
MOST_CONTENDERS = 20
MOST_VALUES = 8
FEW = range(2, 10)
"""Runs of which the bootstrap's interval has the mean in less than nine of ten cases."""
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}

Rows = Sequence[Sequence[str]]


def choice_lines(choice: Choice, group: Sequence[Scores]) -> Iterator[str]:
    """A choice in words; where every run was lost, that it is none.

    Args:
        choice: made from `group`.
        group: the scores, of one experiment or of several.
    """
    if choice.lost_all:
        sources = ", ".join(choice.sources)
        yield f"{sources}: none of {choice.num_settings} settings is the best"
        yield f"  runs compared: {choice.num_runs}, all lost"
        return
    swept = [name for name, _ in swept_values(group)]
    for scores, setting, found in zip(group, choice.settings, choice.estimates, strict=True):
        of = f"of {choice.num_settings}" if len(group) == 1 else "for all the experiments"
        stages = " and ".join(str(stage) for stage in sorted(set(scores.stages.tolist())))
        yield f"{scores.source}: setting {setting} is the best {of}"
        yield f"  {choice.metric} in stage {stages}: {found.text()}"
    values = ", ".join(
        f"{name} {_value(choice.parameters[name])}" for name in swept if name in choice.parameters
    )
    yield f"  hyperparameters swept: {values or 'none'}"
    if choice.scale == "ecdf":
        yield f"  mean rank over environments, 0 to 1: {_ranked(choice)}"
    yield f"  runs compared: {choice.num_runs}, {choice.num_lost} lost"
    if choice.num_settings > 1:
        yield "  biased towards the better: these runs chose it; fresh seeds (--stage) confirm it"
    if choice.num_left_out:
        yield f"  {choice.num_left_out} settings without runs in all experiments are left out"
    if choice.num_repeated:
        yield (
            f"  {choice.num_repeated} settings repeat the hyperparameters of one of lower number, "
            "which stands for them"
        )
    if any(found.num_runs - found.num_lost in FEW for found in choice.estimates):
        yield f"  bootstrap intervals of fewer than {FEW.stop} runs are too narrow"
    yield from _contender_lines(choice, group, swept)


def confirmation_line(stage: int, setting: int, found: Estimate | None) -> str:
    """How the winner did with fresh seeds, or that it was not run with them."""
    if found is None:
        return (
            f"  confirmation, stage {stage}: no run of setting {setting} yet; "
            f"train some with main.py --stage {stage}"
        )
    return f"  confirmation, stage {stage}, unbiased: {found.text()}"


def swept_values(group: Sequence[Scores]) -> list[tuple[str, list[Any]]]:
    """(hyperparameter, its values in settings with runs), of those with several, in spec order."""
    values: dict[str, dict[str, Any]] = {}
    for scores in group:
        for number in sorted(scores.parameters):
            for name, value in scores.parameters[number].items():
                values.setdefault(name, {})[json.dumps(value)] = value
    return [(name, list(found.values())) for name, found in values.items() if len(found) > 1]


def choice_table(
    choices: Mapping[str, Choice], groups: Sequence[Sequence[Scores]], kind: str
) -> str:
    """Hyperparameter, values swept, and the value chosen in each column.

    Args:
        choices: column header -> choice.
        groups: the scores that each was made from.
        kind: of `FORMATS`.
    """
    swept = swept_values([scores for group in groups for scores in group])
    rows = [["hyperparameter", "values", *choices]]
    for name, values in swept:
        chosen = (choice.parameters.get(name, "") for choice in choices.values())
        rows.append([name, _values(values), *map(_value, chosen)])
    return {"text": as_text, "csv": _as_csv, "latex": _as_latex}[kind](rows)


def as_text(rows: Rows) -> str:
    """Columns side by side."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _as_csv(rows: Rows) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().rstrip("\n")


def _as_latex(rows: Rows) -> str:
    head, *body = (" & ".join(map(_escaped, row)) + r" \\" for row in rows)
    columns = "l" * len(rows[0])
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline"]
    return "\n".join([*lines, *body, r"\hline", r"\end{tabular}"])


def _escaped(text: str) -> str:
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _values(values: Sequence[Any]) -> str:
    if len(values) <= MOST_VALUES:
        return ", ".join(map(_value, values))
    ordered = sorted(values) if all(isinstance(v, int | float) for v in values) else values
    return f"{_value(ordered[0])} to {_value(ordered[-1])} ({len(values)} values)"


def _ranked(choice: Choice) -> str:
    if choice.low != choice.low:
        return f"{choice.score:.4g} (too few runs for an interval)"
    interval = f"{choice.low:.4g} to {choice.high:.4g}"
    return f"{choice.score:.4g} ({100 * choice.confidence:g} % bootstrap interval {interval})"


def _contender_lines(
    choice: Choice, group: Sequence[Scores], swept: Sequence[str]
) -> Iterator[str]:
    """The likeliest winners."""
    if choice.num_settings == 1:
        return
    if choice.num_unsure == choice.num_settings:
        yield "  fewer than two completed runs a setting do not tell which others could be the best"
        return
    drawn = "together by seed" if choice.paired else "of each setting by themselves"
    yield f"  could be the best, by {choice.num_resamples} resamples of runs, {drawn}:"
    shown = choice.contenders[:MOST_CONTENDERS]
    rows = [["setting", "probability", "mean", "runs", "lost", *swept]]
    for each in shown:
        parameters = group[0].parameters[each.settings[0]]
        numbers = "/".join(map(str, each.settings))
        told = (
            f"{each.probability:.4f}",
            f"{each.score:.6g}",
            str(each.num_runs),
            str(each.num_lost),
        )
        rows.append([numbers, *told, *(_value(parameters.get(name, "")) for name in swept)])
    yield from (f"    {line}" for line in as_text(rows).splitlines())
    if others := choice.contenders[len(shown) :]:
        rest = sum(each.probability for each in others)
        yield f"    {len(others)} more, {rest:.4f} together"
    if choice.num_unsure:
        yield f"    too sure: {choice.num_unsure} settings have fewer than two completed runs"
