"""Where the tasks of an array print."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import NAME, make_cluster, make_plan

from nthrun.scheduling.plan import Array
from nthrun.scheduling.submission import log_pattern

ROOT = Path("/experiment")


@pytest.mark.parametrize(
    ("output", "one", "many"),
    [
        ("", f"/experiment/logs/{NAME}-1/%j.log", f"/experiment/logs/{NAME}-0/%A_%a.log"),
        ("/logs", "/logs/%j.log", "/logs/%A_%a.log"),
        ("/logs/", "/logs/%j.log", "/logs/%A_%a.log"),
        ("$PLACE/logs", "/place/logs/%j.log", "/place/logs/%A_%a.log"),
        ("~/logs", "/home/a/logs/%j.log", "/home/a/logs/%A_%a.log"),
        ("/logs/%j.out", "/logs/%j.out", "/logs/%j.out"),
        ("/logs/%8j", "/logs/%8j", "/logs/%8j"),
        ("/logs/%A-%a.out", "/logs/%A-%a.out", "/logs/%A-%a.out"),
        ("/logs/%A.out", "/logs/%A-%j.out", "/logs/%A-%A_%a.out"),
        ("/logs/%a.out", "/logs/%a-%j.out", "/logs/%a-%A_%a.out"),
        ("/logs/%x.out", "/logs/%x-%j.out", "/logs/%x-%A_%a.out"),
        ("/logs/sweep.out", "/logs/sweep-%j.out", "/logs/sweep-%A_%a.out"),
        ("/dev/null", "/dev/null", "/dev/null"),
    ],
)
def test_every_task_has_a_log_of_its_own(
    monkeypatch: pytest.MonkeyPatch, output: str, one: str, many: str
) -> None:
    """`output` is a folder, or a pattern that is completed where it would give two tasks one file;
    nothing is added to the null device; without it logs lie beside the script."""
    monkeypatch.setenv("PLACE", "/place")
    monkeypatch.setenv("HOME", "/home/a")
    arrays = (Array(0, 2), Array(2, 1))
    plan = make_plan(ROOT, [[[0]], [[1]], [[2]]], make_cluster(output=output), arrays=arrays)
    assert [str(log_pattern(plan, array)) for array in (1, 0)] == [one, many]
