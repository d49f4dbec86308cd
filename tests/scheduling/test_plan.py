"""Plans: written, read back, addressed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import NAME, make_cluster, make_plan

from nthrun.errors import DataFileError
from nthrun.scheduling.plan import (
    Array,
    Task,
    new_plan_name,
    parse_job_name,
    plan_paths,
    read_plan,
    read_plans,
    write_plan,
)


def test_a_plan_reads_back_as_it_was(tmp_path: Path) -> None:
    """Every attribute survives the file, those of the cluster's that are lists included."""
    cluster = make_cluster(setup=("module load x", "a=b"), emailType=("END",), cores=4)
    plan = make_plan(
        tmp_path,
        [[[0, 1, 5], [7]], [[2]]],
        cluster,
        stage=3,
        num_runs=2,
        settings="",
        retry_failed=True,
        arrays=(Array(0, 1), Array(1, 1)),
        code="code/123",
        command=("schedule.py", "--runs", "2"),
    )
    write_plan(plan)
    assert read_plan(plan.path) == plan
    assert plan_paths(tmp_path) == [plan.path]
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_moved_plan_belongs_to_where_it_lies(tmp_path: Path) -> None:
    """The root is the directory a plan is found in, not the one it was written to."""
    write_plan(make_plan(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    (path,) = plan_paths(tmp_path / "new")
    assert read_plan(path).root == tmp_path / "new"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_every_task_has_one_place(sizes: list[int]) -> None:
    """`place` and `task_number` are each other's inverse over all arrays; beyond is nothing."""
    arrays = tuple(Array(sum(sizes[:n]), size) for n, size in enumerate(sizes))
    plan = make_plan(Path("/nowhere"), [[[n]] for n in range(sum(sizes))], arrays=arrays)
    places = [plan.place(task) for task in range(sum(sizes))]
    assert places == [(a, e) for a, size in enumerate(sizes) for e in range(size)]
    assert [plan.task_number(*place) for place in places] == list(range(sum(sizes)))
    with pytest.raises(IndexError):
        plan.place(sum(sizes))


def test_job_names_name_the_plan() -> None:
    """A job's name gives back plan and array; those of others give nothing."""
    plan = make_plan(Path("/nowhere"))
    assert parse_job_name(plan.job_name(12)) == (NAME, 12)
    name = new_plan_name()
    assert parse_job_name(replace(plan, name=name).job_name(0)) == (name, 0)
    for other in ("bash", "nthrun", f"nthrun-{NAME}", f"nthrun-{NAME}-x", f"my-nthrun-{NAME}-0"):
        assert parse_job_name(other) is None


def test_plan_names_differ() -> None:
    """Two plans of one moment have two names."""
    assert len({new_plan_name() for _ in range(50)}) == 50


def test_what_a_task_holds() -> None:
    """Indices are those of all packs, in order."""
    task = Task(((5, 7), (1,)), 2, 1.0)
    assert (task.indices, task.num_runs) == ([1, 5, 7], 3)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", "\0", '{"schema": 1}'])
def test_a_damaged_plan_is_named(tmp_path: Path, text: str) -> None:
    """What is no plan is an error that names the file, and no obstacle to reading the others."""
    plan = make_plan(tmp_path)
    write_plan(plan)
    damaged = plan.path.with_name("20260203-000000-000000.json")
    damaged.write_text(text)
    with pytest.raises(DataFileError, match=damaged.name):
        read_plan(damaged)
    assert list(read_plans(tmp_path)) == [plan]


def test_a_task_without_runs_is_refused(tmp_path: Path) -> None:
    """Every task of a plan has runs, by which its progress is divided."""
    plan = make_plan(tmp_path)
    write_plan(plan)
    content = json.loads(plan.path.read_text())
    content["tasks"][0][2] = []
    plan.path.write_text(json.dumps(content))
    with pytest.raises(DataFileError, match=r"tasks\[0\]: no runs, allowed: at least one"):
        read_plan(plan.path)


def test_a_plan_of_another_schema_is_refused(tmp_path: Path) -> None:
    """A later version's plan is not half read."""
    plan = make_plan(tmp_path)
    write_plan(plan)
    plan.path.write_text(json.dumps(json.loads(plan.path.read_text()) | {"schema": 2}))
    with pytest.raises(DataFileError, match="schema 2"):
        read_plan(plan.path)


def test_plans_are_read_newest_first(tmp_path: Path) -> None:
    """Age is in the name; files of attempts and the lock are no plans."""
    names = [f"2026010{day}-000000-00000{9 - day}" for day in (3, 1, 2)]
    for name in names:
        write_plan(make_plan(tmp_path, name=name))
    (tmp_path / "plans" / names[0]).mkdir()
    (tmp_path / "plans" / names[0] / "0.json").write_text("{}")
    (tmp_path / "plans" / ".lock").touch()
    assert [plan.name for plan in read_plans(tmp_path)] == sorted(names, reverse=True)
