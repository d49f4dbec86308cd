"""The tally of a task's run-steps."""

from __future__ import annotations

from nthrun.commands.tally import Tally
from nthrun.training.progress import Advanced, Began, Lost, Noted


def totals(tally: Tally) -> tuple[int, int]:
    """(done in all attempts, done in this one)."""
    return tally.done_run_steps, tally.new_run_steps


def test_steps_are_counted_over_packs_and_attempts() -> None:
    """Done are the runs recorded before, what checkpoints held, and what was done since; steps of
    a worker that died are lost but for what its successor begins at."""
    tally = Tally(100)
    tally.begin(recorded=2)
    assert totals(tally) == (200, 0)
    tally.count(Began((0, 1), 60), 0)
    tally.count(Began((2,), 0), 1)
    tally.count(Advanced(40, 0.0), 0)
    tally.count(Advanced(10, 0.0), 1)
    assert totals(tally) == (310, 50)
    tally.count(Advanced(100, 0.0), 0)
    tally.count(Began((3,), 0), 0)
    tally.count(Advanced(5, 0.0), 0)
    tally.count(Noted("x"), 0)
    assert totals(tally) == (415, 155)
    tally.count(Lost(), 1)
    assert totals(tally) == (405, 145)
    tally.count(Began((2,), 8), 1)
    assert totals(tally) == (413, 145)


def test_beginning_again_counts_nothing_twice() -> None:
    """After a failure of the file system what is recorded by then, and what checkpoints hold,
    counts once; the attempt keeps what it has done."""
    tally = Tally(100)
    tally.begin(recorded=0)
    tally.count(Began((0,), 0), 0)
    tally.count(Advanced(100, 0.0), 0)
    tally.count(Began((1,), 0), 0)
    tally.count(Advanced(30, 0.0), 0)
    tally.begin(recorded=1)
    assert totals(tally) == (100, 130)
    tally.count(Began((1,), 30), 0)
    tally.count(Advanced(70, 0.0), 0)
    assert totals(tally) == (200, 200)
