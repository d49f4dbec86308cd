"""Cluster files of PyExpUtils as cluster specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nthrun.errors import SpecError
from nthrun.specs.cluster_spec import ClusterSpec, read_cluster_spec

JOB = {"account": "def-someone", "time": "2:59:00"}


def read(folder: Path, **fields: Any) -> ClusterSpec:
    """The spec that a file with these keys stands for."""
    path = folder / "cluster.json"
    path.write_text(json.dumps({**JOB, **fields}))
    return read_cluster_spec(str(path))


READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of one node": (
        {"type": "single_node", "cores": 6, "mem_per_core": 1.5, "sequential": 4},
        {"type": None, "nodes": 1, "cores": 6, "memPerCpu": "1536M", "sequential": 4},
    ),
    "of several": (
        {"type": "multi_node", "cores": 4, "mem_per_core": "3G", "log_path": "$SCRATCH/%j.txt"},
        {"nodes": 1, "cores": 4, "memPerCpu": "3G", "output": "$SCRATCH/%j.txt"},
    ),
    "a scheduler": ({"type": "slurm", "cores": 2}, {"scheduler": "slurm", "cores": 2}),
    "threads": ({"cores": 2, "threads_per_task": 1}, {"cores": 2}),
    "nodes that are cores": (
        {"nodes": 16, "memPerCpu": "1024M", "tasksPerNode": 5},
        {"nodes": 1, "cores": 16, "sequential": 5},
    ),
    "runs in a row": (
        {"nodes": 2, "cores": 16, "tasksPerNode": 5},
        {"nodes": 2, "cores": 16, "sequential": 5},
    ),
    "one log": ({"output": "a.txt", "error": "a.txt"}, {"output": "a.txt"}),
}


@pytest.mark.parametrize("case", READ)
def test_files_are_read(tmp_path: Path, case: str) -> None:
    """Keys of PyExpUtils, of any age, become ours, and a note names each."""
    fields, expected = READ[case]
    spec = read(tmp_path, **fields)
    assert {key: spec.values.get(key) for key in expected} == expected
    foreign = [key for key in fields if key not in spec.values]
    assert all(any(key in note for note in spec.notes) for key in foreign)


def test_ours_stand_for_themselves(tmp_path: Path) -> None:
    """A file with our keys alone is told nothing of."""
    assert read(tmp_path, cores=4, nodes=2, sequential=3, memPerCpu="4Gb").notes == ()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two threads": (
        {"cores": 4, "threads_per_task": 2},
        "threads_per_task: got 2, allowed: 1, as a run takes one core; hint: give as many cores",
    ),
    "two logs": (
        {"output": "a.txt", "error": "b.txt"},
        "error: unknown key, allowed: see clusters/README.md; hint: output holds both stdout and",
    ),
    "another type": (
        {"type": "grid"},
        'type: got "grid", allowed: single_node, multi_node; hint: leave it out: scheduler says',
    ),
    "a type beside a scheduler": (
        {"type": "local", "scheduler": "slurm"},
        'type: got "local", allowed: single_node, multi_node; hint: leave it out: scheduler says',
    ),
    "nodes alone": (
        {"nodes": 8},
        "cores: missing beside nodes 8, allowed: the cores over all nodes; hint: a node takes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    """What cannot be carried over is refused in one line."""
    fields, begins = REFUSED[case]
    with pytest.raises(SpecError) as refused:
        read(tmp_path, **fields)
    (line,) = str(refused.value).replace(f"{tmp_path}/cluster.json: ", "").splitlines()
    assert line.startswith(begins)
