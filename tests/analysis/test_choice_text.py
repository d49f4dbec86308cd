"""Laws of what a choice says."""

from __future__ import annotations

from dataclasses import replace

from scored import NAN, make_scores

from nthrun.analysis.choice import choose
from nthrun.analysis.choice_text import (
    CONTENDER_COLUMNS,
    MAX_CONTENDERS,
    as_text,
    choice_lines,
    choice_notes,
    choice_table,
    contender_notes,
    contender_rows,
    contenders_title,
)


def test_text_table() -> None:
    """Columns stand below their headers, without blanks at the end of a line."""
    assert as_text([["a", "bb"], ["ccc", ""]]) == "a    bb\nccc"


def test_no_table_without_experiments() -> None:
    """The table of no choices has its two headers only."""
    assert choice_table({}, [], "text") == "hyperparameter  values"


def test_one_setting() -> None:
    """The only setting is not biased, and has no contenders."""
    choice = choose(make_scores([[float(n) for n in range(10)]]))
    assert [*choice_notes(choice)] == []
    assert contender_rows(choice, {0: {"lr": 0}}, ["lr"]) == [*contender_notes(choice)] == []


def test_contenders() -> None:
    """A row has the contender's number, chance of being chosen again, mean, runs, lost and pruned
    ones, and its values, and what the chance is not is told."""
    scores = make_scores([[1.0, NAN], [3.0, 2.0]])
    choice = choose(scores)
    [row] = contender_rows(choice, scores.parameters, ["lr", "absent"])
    assert row == ["1", "1.0000", "2.5", "2", "0", "0", "1", ""]
    assert len(row) == len(CONTENDER_COLUMNS) + 2
    title = contenders_title(choice)
    assert "chosen again from 10000 resamples of runs, drawn together by seed" in title
    assert "not the probability of being the best" in title
    assert [*contender_notes(choice)] == ["too sure: 1 settings have fewer than two completed runs"]


def test_nothing_tells() -> None:
    """Where no setting has two completed runs there is no contender, and it says why."""
    choice = choose(make_scores([[1.0], [2.0]]))
    assert contender_rows(choice, {}, []) == [*contender_notes(choice)] == []
    assert contenders_title(choice).startswith("fewer than two completed runs a setting do not")


def test_many_contenders() -> None:
    """Of many contenders the likeliest are named, and the others are counted."""
    scores = make_scores([[1.0, 2.0]])
    [only] = choose(scores).contenders
    many = [replace(only, probability=1 / 64)] * (MAX_CONTENDERS + 2)
    choice = replace(choose(scores), num_settings=64, contenders=tuple(many))
    assert len(contender_rows(choice, scores.parameters, [])) == MAX_CONTENDERS
    assert [*contender_notes(choice)] == ["2 more, 0.0312 together"]


def test_equals() -> None:
    """The winner's line says how many others have the same mean, and a note names them."""
    scores = make_scores([[1.0, 2.0]] * 13 + [[0.0, 0.0]])
    choice = choose(scores)
    first, *rest = choice_lines(choice, [scores])
    assert first == "made: setting 0 is the best of 14, with 12 others of the same mean"
    named = "settings 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more have the same mean"
    assert any(named in line for line in rest)


def test_the_interval_of_a_chosen_setting() -> None:
    """Of a setting that was chosen no interval is called one of 95 % that is not one of all the
    settings it was chosen from, which is told, and so is the cure."""
    scores = make_scores([[1.0, 2.0, 4.0], [0.0, 1.0, 2.0]])
    text = "\n".join(choice_lines(choose(scores), [scores]))
    assert "at least 95 % Student interval for any of 2 settings" in text
    assert "holds for all 2 settings at once (Student, Bonferroni)" in text
    assert "fresh seeds confirm it (main.py --rerun trains them, best --confirm shows them)" in text


def test_lengths() -> None:
    """Runs of different lengths are told of, and how to compare what all have."""
    scores = replace(make_scores([[1.0], [2.0]]), lengths=(4000, 50000))
    notes = [*choice_notes(choose(scores))]
    assert any("different lengths are compared, 4000 to 50000 steps" in note for note in notes)
    same = replace(scores, lengths=(4000,))
    assert not any("lengths" in note for note in choice_notes(choose(same)))
