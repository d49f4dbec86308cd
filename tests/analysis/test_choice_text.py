"""Laws of what a choice says."""

from __future__ import annotations

from dataclasses import replace

from scored import NAN, make_scores

from nthrun.analysis.choice import choose
from nthrun.analysis.choice_text import (
    CONTENDER_COLUMNS,
    MAX_CONTENDERS,
    as_text,
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
    assert choice_table({}, [], "csv") == "hyperparameter,values"


def test_one_setting() -> None:
    """The only setting is not biased, and has no contenders; of many runs nothing is too narrow."""
    choice = choose(make_scores([[float(n) for n in range(10)]]))
    assert [*choice_notes(choice, choice.estimates)] == []
    assert contender_rows(choice, {0: {"lr": 0}}, ["lr"]) == [*contender_notes(choice)] == []


def test_contenders() -> None:
    """A row has the contender's number, probability, mean, runs and lost ones, and its values."""
    scores = make_scores([[1.0, NAN], [3.0, 2.0]])
    choice = choose(scores)
    [row] = contender_rows(choice, scores.parameters, ["lr", "absent"])
    assert row == ["1", "1.0000", "2.5", "2", "0", "1", ""]
    assert len(row) == len(CONTENDER_COLUMNS) + 2
    assert "by 10000 resamples of runs, together by seed" in contenders_title(choice)
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
