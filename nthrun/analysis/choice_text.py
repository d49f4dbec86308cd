"""What a choice says: in words, in lines, and in the table of the values swept and chosen.

`best` prints the lines. The report lays the same sentences and contenders out by itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from nthrun.analysis.choice import Choice
from nthrun.analysis.estimates import Estimate
from nthrun.analysis.hyperparameters import (
    Setting,
    plain_text,
    setting_text,
    values_text,
    varying_values,
)
from nthrun.analysis.scores import Scores
from nthrun.analysis.unfinished import unfinished_notes

FORMATS = ("text", "csv", "latex")
MAX_CONTENDERS = 20
"""Contenders that are named, one by one."""
MAX_VALUES = 8
"""Values of a hyperparameter that are listed."""
FEW_RUNS = 10
"""Runs below which the bootstrap's interval has the mean in less than nine of ten cases."""
CONTENDER_COLUMNS = ("setting", "probability", "mean", "runs", "lost")
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}

Rows = Sequence[Sequence[str]]


def choice_notes(choice: Choice, estimates: Sequence[Estimate]) -> Iterator[str]:
    """What has to be known of the winner's figures.

    Args:
        choice: whose winner it is.
        estimates: all that are shown of the winner.
    """
    if choice.num_settings > 1:
        yield "biased towards the better: these runs chose it; fresh seeds (--stage) confirm it"
    if choice.num_left_out:
        yield f"{choice.num_left_out} settings without runs in all experiments are left out"
    if choice.num_repeated:
        yield (
            f"{choice.num_repeated} settings repeat the hyperparameters of one of lower number, "
            "which stands for them"
        )
    if any(1 < each.num_runs - each.num_lost < FEW_RUNS for each in estimates):
        yield f"bootstrap intervals of fewer than {FEW_RUNS} runs are too narrow"


def contenders_title(choice: Choice) -> str:
    """What the contenders are, or why that is not known."""
    if choice.num_unsure == choice.num_settings:
        return "fewer than two completed runs a setting do not tell which others could be the best"
    drawn = "together by seed" if choice.paired else "of each setting by themselves"
    return f"could be the best, by {choice.num_resamples} resamples of runs, {drawn}"


def contender_rows(
    choice: Choice, parameters: Mapping[int, Setting], varying: Sequence[str]
) -> list[list[str]]:
    """A row for each of the likeliest winners; none where nothing tells which they are.

    Args:
        choice: among several settings.
        parameters: setting number -> hyperparameters, of the first experiment.
        varying: the hyperparameters that are shown after `CONTENDER_COLUMNS`.
    """
    if choice.num_settings in (1, choice.num_unsure):
        return []
    return [
        [
            "/".join(map(str, contender.settings)),
            f"{contender.probability:.4f}",
            f"{contender.score:.6g}",
            str(contender.num_runs),
            str(contender.num_lost),
            *(plain_text(parameters[contender.settings[0]].get(name, "")) for name in varying),
        ]
        for contender in choice.contenders[:MAX_CONTENDERS]
    ]


def contender_notes(choice: Choice) -> Iterator[str]:
    """What has to be known of the table of contenders."""
    if choice.num_settings in (1, choice.num_unsure):
        return
    if others := choice.contenders[MAX_CONTENDERS:]:
        rest = sum(contender.probability for contender in others)
        yield f"{len(others)} more, {rest:.4f} together"
    if choice.num_unsure:
        yield f"too sure: {choice.num_unsure} settings have fewer than two completed runs"


def choice_lines(choice: Choice, group: Sequence[Scores]) -> Iterator[str]:
    """A choice in lines; where every run was lost, that it is none.

    Args:
        choice: made from `group`.
        group: the scores, of one experiment or of several.
    """
    if choice.lost_all:
        sources = ", ".join(choice.sources)
        yield f"{sources}: none of {choice.num_settings} settings is the best"
        yield f"  runs compared: {choice.num_runs}, all lost"
        return
    varying = list(_varying_values(group))
    of = f"of {choice.num_settings}" if len(group) == 1 else "for all the experiments"
    for scores, setting, estimate in zip(group, choice.settings, choice.estimates, strict=True):
        stages = " and ".join(str(stage) for stage in sorted(set(scores.stages.tolist())))
        yield f"{scores.source}: setting {setting} is the best {of}"
        yield f"  {choice.metric} in stage {stages}: {estimate.text()}"
    yield f"  hyperparameters swept: {setting_text(choice.parameters, varying) or 'none'}"
    if choice.scale == "ecdf":
        yield f"  mean rank over environments, 0 to 1: {_mean_rank(choice)}"
    yield f"  runs compared: {choice.num_runs}, {choice.num_lost} lost"
    notes = (*choice_notes(choice, choice.estimates), *unfinished_notes(group))
    yield from (f"  {note}" for note in notes)
    if choice.num_settings > 1:
        yield from _contender_lines(choice, group[0].parameters, varying)


def confirmation_line(stage: int, setting: int, estimate: Estimate | None) -> str:
    """How the winner did with fresh seeds, or that it was not run with them."""
    if estimate is None:
        return (
            f"  confirmation, stage {stage}: no run of setting {setting} yet; "
            f"train some with main.py --stage {stage}"
        )
    return f"  confirmation, stage {stage}, unbiased: {estimate.text()}"


def choice_table(
    choices: Mapping[str, Choice], groups: Sequence[Sequence[Scores]], kind: str
) -> str:
    """Hyperparameter, values swept, and the value chosen in each column.

    Args:
        choices: column header -> choice.
        groups: the scores that each was made from.
        kind: of `FORMATS`.
    """
    rows = [["hyperparameter", "values", *choices]]
    for name, values in _varying_values([scores for group in groups for scores in group]).items():
        chosen = (choice.parameters.get(name, "") for choice in choices.values())
        rows.append([name, values_text(values, MAX_VALUES), *map(plain_text, chosen)])
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


def _varying_values(group: Sequence[Scores]) -> dict[str, list[object]]:
    """The hyperparameters that settings of some experiments differ in -> their values."""
    return varying_values(each for scores in group for each in scores.parameters.values())


def _mean_rank(choice: Choice) -> str:
    if choice.low != choice.low:
        return f"{choice.score:.4g} (too few runs for an interval)"
    interval = f"{choice.low:.4g} to {choice.high:.4g}"
    return f"{choice.score:.4g} ({100 * choice.confidence:g} % bootstrap interval {interval})"


def _contender_lines(
    choice: Choice, parameters: Mapping[int, Setting], varying: Sequence[str]
) -> Iterator[str]:
    """The likeliest winners, in a table of text."""
    rows = contender_rows(choice, parameters, varying)
    yield f"  {contenders_title(choice)}{':' if rows else ''}"
    if rows:
        table = as_text([[*CONTENDER_COLUMNS, *varying], *rows])
        yield from (f"    {line}" for line in table.splitlines())
    yield from (f"    {note}" for note in contender_notes(choice))
