"""What a choice says: in words, in lines, and in the table of the values swept and chosen.

`best` prints the lines. The report lays the same sentences and contenders out by itself.
"""

from __future__ import annotations

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
from nthrun.terminal import printable

FORMATS = ("text", "csv", "latex")
MAX_CONTENDERS = 20
"""Contenders that are named, one by one."""
MAX_VALUES = 8
"""Values of a hyperparameter that are listed."""
MAX_EQUALS = 10
"""Settings as good as the best that are named, one by one."""
CONTENDER_COLUMNS = ("setting", "chosen again", "mean", "runs", "lost", "pruned")
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}

Rows = Sequence[Sequence[str]]


def choice_notes(choice: Choice) -> Iterator[str]:
    """What has to be known of the winner's figures."""
    if choice.equals:
        yield equals_text(choice)
    if choice.num_settings > 1:
        yield (
            "biased towards the better: these runs chose it; fresh seeds confirm it "
            "(main.py --rerun trains them, best --confirm shows them)"
        )
    if any(each.num_settings > 1 and each.low == each.low for each in choice.estimates):
        yield (
            f"its interval holds for all {choice.num_settings} settings at once (Student, "
            "Bonferroni), with a deviation no smaller than their median"
        )
    yield from _course_notes(choice)
    if choice.num_left_out:
        yield f"{choice.num_left_out} settings without runs in all experiments are left out"
    if choice.num_repeated:
        yield (
            f"{choice.num_repeated} settings repeat the hyperparameters of one of lower number, "
            "which stands for them"
        )


def equals_text(choice: Choice) -> str:
    """Which other settings are as good as the winner."""
    named = ["/".join(map(str, settings)) for settings in choice.equals[:MAX_EQUALS]]
    more = len(choice.equals) - len(named)
    which = ", ".join(named) + (f" and {more} more" if more else "")
    several = len(choice.equals) > 1
    return (
        f"setting{'s' if several else ''} {which} {'have' if several else 'has'} the same mean: "
        "of equals the lowest number is named"
    )


def _course_notes(choice: Choice) -> Iterator[str]:
    """Up to which steps runs were compared, and whether these are as many of each."""
    for source, up_to, lengths in zip(choice.sources, choice.up_to, choice.lengths, strict=True):
        of = f" of {source}" if len(choice.sources) > 1 else ""
        if up_to is not None:
            pruned = f"; pruned: {choice.num_pruned}" if choice.num_pruned else ""
            yield (
                f"runs{of} are compared by their first {up_to} steps, to the last evaluation that "
                f"all reached which were not lost{pruned}"
            )
        elif len(lengths) > 1:
            yield (
                f"runs{of} of different lengths are compared, {lengths[0]} to {lengths[-1]} steps; "
                "--shortest compares what all have"
            )


def contenders_title(choice: Choice) -> str:
    """What the contenders are, or why that is not known."""
    if choice.num_unsure == choice.num_settings:
        return "fewer than two completed runs a setting do not tell how firm the choice is"
    drawn = "together by seed" if choice.paired else "of each setting by themselves"
    return (
        f"chosen again from {choice.num_resamples} resamples of runs, drawn {drawn}, in this share "
        "of them; it is not the probability of being the best, and greater where settings are close"
    )


def contender_rows(
    choice: Choice, parameters: Mapping[int, Setting], varying: Sequence[str]
) -> list[list[str]]:
    """A row for each of those chosen again most often; none where nothing tells which they are.

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
            str(contender.num_pruned),
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
        yield f"{scores.source}: setting {setting} is the best {of}{_equal_mark(choice)}"
        yield f"  {choice.metric} in stage {stages}: {estimate.text()}"
    yield f"  hyperparameters swept: {setting_text(choice.parameters, varying) or 'none'}"
    if choice.scale == "ecdf":
        yield f"  mean rank over environments, 0 to 1: {choice.score:.4g}"
    pruned = f", {choice.num_pruned} pruned" if choice.num_pruned else ""
    yield f"  runs compared: {choice.num_runs}, {choice.num_lost} lost{pruned}"
    yield from (f"  {note}" for note in (*choice_notes(choice), *unfinished_notes(group)))
    if choice.num_settings > 1:
        yield from _contender_lines(choice, group[0].parameters, varying)


def confirmation_line(
    stage: int, setting: int, estimate: Estimate | None, more_steps: bool = False
) -> str:
    """How the winner did with fresh seeds, or that it was not run with them.

    Args:
        stage: of the runs that confirm.
        setting: the winner's number.
        estimate: None where it has no run there.
        more_steps: whether those runs count with all their steps, and the runs that chose it do
            not.
    """
    if estimate is None:
        return (
            f"  confirmation, stage {stage}: no run of setting {setting} yet; "
            f"train some with main.py --stage {stage}"
        )
    steps = ", by all steps" if more_steps else ""
    return f"  confirmation, stage {stage}, unbiased{steps}: {estimate.text()}"


def choice_table(
    choices: Mapping[str, Choice], groups: Sequence[Sequence[Scores]], kind: str
) -> str:
    """Hyperparameter, values swept, and the value chosen in each column.

    Args:
        choices: column header -> choice.
        groups: the scores that each was made from.
        kind: of `FORMATS`, but for CSV, which `report.settings_table.as_csv` writes.
    """
    rows = [["hyperparameter", "values", *choices]]
    for name, values in _varying_values([scores for group in groups for scores in group]).items():
        chosen = (choice.parameters.get(name, "") for choice in choices.values())
        rows.append([name, values_text(values, MAX_VALUES), *map(plain_text, chosen)])
    return {"text": as_text, "latex": _as_latex}[kind](rows)


def as_text(rows: Rows) -> str:
    """Columns side by side."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


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


def _equal_mark(choice: Choice) -> str:
    """What the winner's line says of settings that are as good."""
    number = len(choice.equals)
    return f", with {number} other{'s' if number > 1 else ''} of the same mean" if number else ""


def _contender_lines(
    choice: Choice, parameters: Mapping[int, Setting], varying: Sequence[str]
) -> Iterator[str]:
    """Those chosen again most often, in a table of text."""
    rows = contender_rows(choice, parameters, varying)
    yield f"  {contenders_title(choice)}{':' if rows else ''}"
    if rows:
        table = as_text([[*CONTENDER_COLUMNS, *varying], *rows])
        yield from (f"    {line}" for line in table.splitlines())
    yield from (f"    {note}" for note in contender_notes(choice))
