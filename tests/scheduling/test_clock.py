"""The clock: when a task must save, by Slurm's word."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nthrun.scheduling import clock as clock_module
from nthrun.scheduling.clock import ASK_SECONDS, Clock
from nthrun.scheduling.run_time import START_SECONDS

LEAD = 30.0


class Slurm:
    """Time, and a Slurm that tells what is left of a limit, or nothing.

    Attributes:
        now: moment.
        end: when the task is ended; None is not told.
        asked: moments of all questions.
    """

    def __init__(self, end: float | None) -> None:
        self.now = 0.0
        self.end = end
        self.asked: list[float] = []

    def left(self) -> float | None:
        """What is left, as Slurm is asked."""
        self.asked.append(self.now)
        return None if self.end is None else self.end - self.now


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A limit of 1000 seconds."""
    slurm = Slurm(1000.0)
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: slurm.now))
    return slurm


def first_up(clock: Clock, slurm: Slurm, step: float = 1.0) -> float:
    """The moment the clock first says that time is up."""
    while not clock.is_up():
        slurm.now += step
        assert slurm.now < 10_000
    return slurm.now


def test_time_is_up_at_the_lead(slurm: Slurm) -> None:
    """A task begins to save a lead before its end, having asked only at begin and then."""
    clock = Clock(slurm.left, None, LEAD)
    assert clock.seconds_left == 1000
    assert first_up(clock, slurm) == 970
    assert slurm.asked == [0, 970]


def test_without_a_word_the_limit_holds(slurm: Slurm) -> None:
    """Where nobody tells, what the plan says counts, from the beginning of the task."""
    slurm.end = None
    assert first_up(Clock(slurm.left, 500.0, LEAD), slurm) == 470


def test_slurm_beats_the_plan(slurm: Slurm) -> None:
    """What Slurm says of the limit counts more than what was asked for."""
    assert Clock(slurm.left, 5.0, LEAD).seconds_left == 1000


def test_without_a_limit_there_is_no_end(slurm: Slurm) -> None:
    """A task without limit is never interrupted, nor is Slurm asked again."""
    slurm.end = None
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1e9
    assert not clock.is_up()
    assert clock.has_time_for_pack()
    assert slurm.asked == [0]


def test_an_extended_limit_is_seen(slurm: Slurm) -> None:
    """A limit that was raised meanwhile is found when the old one comes near."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.end = 2000.0
    assert first_up(clock, slurm) == 1970


def test_an_early_warning_ends_nothing(slurm: Slurm) -> None:
    """Slurm warns up to a minute early: a warning is a question, and its answer decides."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 900.0
    clock.warn()
    assert not clock.is_up()
    assert slurm.asked == [0, 900]
    slurm.end = 925.0
    clock.warn()
    assert clock.is_up()


def test_a_warning_counts_where_nobody_tells(slurm: Slurm) -> None:
    """If Slurm warns and does not answer, time is up."""
    slurm.end = None
    clock = Clock(slurm.left, 1000.0, LEAD)
    assert not clock.is_up()
    clock.warn()
    assert clock.is_up()


def test_slurm_is_not_polled(slurm: Slurm) -> None:
    """Near the end too, questions lie ASK_SECONDS apart."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 970.0
    while slurm.now < 1030:
        assert clock.is_up()
        slurm.now += 0.5
    gaps = [b - a for a, b in zip(slurm.asked, slurm.asked[1:], strict=False)]
    assert min(gaps) > ASK_SECONDS


def test_nothing_left_is_up_at_once(slurm: Slurm) -> None:
    """Zero seconds left is an answer, not silence."""
    slurm.end = 0.0
    assert Clock(slurm.left, 1000.0, LEAD).is_up()


def test_a_pack_needs_time_to_begin(slurm: Slurm) -> None:
    """No pack is begun that would be saved before it did anything."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1000 - LEAD - START_SECONDS - 1
    assert clock.has_time_for_pack()
    slurm.now += 1
    assert not clock.has_time_for_pack()


def test_a_raised_limit_has_time_for_a_pack(slurm: Slurm) -> None:
    """Before a pack is held back Slurm is asked again, as the limit may have been raised; not more
    often than every ASK_SECONDS."""
    clock = Clock(slurm.left, None, LEAD)
    slurm.now = 1000 - LEAD - START_SECONDS
    assert not clock.has_time_for_pack()
    slurm.end = 5000.0
    slurm.now += ASK_SECONDS
    assert not clock.has_time_for_pack()
    slurm.now += 1
    assert clock.has_time_for_pack()
    assert slurm.asked == [0, 910, 931]
