"""The cluster's limits, from the spec and from Slurm, and tasks that no node could run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import Commands, make_cluster, only_commands

from nthrun.errors import SlurmError
from nthrun.scheduling.limits import MAX_ARRAY_SIZE, Limits, read_limits, require_runnable
from nthrun.scheduling.slurm import Queue

CONFIG = """Configuration data as of 2026-01-02T03:04:05
MaxArraySize            = 1001
MaxJobCount             = 10000
"""
NODES = (
    "main*|4|4000|gpu:h100:2|infinite\n"
    "main*|48+|192000+|(null)|infinite\n"
    "short|64|256000|gpu:a100_3g.20gb:2(S:1),gpu:a100:4(S:0-1),shard:8|3:00:00\n"
    "long|4|4000|(null)|7-00:00:00\n"
)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A cluster that keeps no accounts."""
    commands = only_commands(tmp_path, monkeypatch)
    commands.answer("scontrol", CONFIG)
    commands.answer("sacctmgr", "", 1, "You are not running a supported accounting_storage plugin")
    commands.answer("sinfo", NODES)
    return commands


@pytest.mark.parametrize(
    ("fields", "tables", "num_jobs", "limits"),
    [
        ({}, None, 5, (1001, None)),
        ({}, "|\n", 5, (1001, None)),
        ({}, "1000|700\n|500\n", 5, (1001, 695)),
        ({}, "1000|\n|\n", 5, (1001, None)),
        ({}, "3|\n", 5, (1001, 0)),
        ({"submitLimit": 7}, "1000|\n", 5, (1001, 2)),
        ({"arrayLimit": 50}, None, 0, (50, None)),
        ({"arrayLimit": 5000}, None, 0, (1001, None)),
    ],
)
def test_limits(
    commands: Commands,
    fields: dict[str, Any],
    tables: str | None,
    num_jobs: int,
    limits: tuple[int, int | None],
) -> None:
    """The spec's limits count before Slurm's: of those the least of an account, and the most
    generous account, which may be the default; an array is never larger than Slurm allows; what is
    queued already takes its part; without accounts there is no bound."""
    if tables is not None:
        commands.answer("sacctmgr", tables)
    assert read_limits(make_cluster(**fields), Queue({}, num_jobs)) == Limits(*limits)


def test_limits_are_those_of_account_and_qos(commands: Commands) -> None:
    """Only the account asked for counts, and the quality of service too."""
    commands.answer("sacctmgr", "40|\n")
    read_limits(make_cluster(account="def-a", qos="tiny"), Queue({}, 0))
    association, qos = commands.calls("sacctmgr")
    assert "account=def-a" in association
    assert "qos tiny" in qos


def test_an_array_size_that_is_not_told(commands: Commands) -> None:
    """Slurm's own default holds where the configuration does not name it."""
    commands.answer("scontrol", "SlurmctldHost = a\n")
    assert read_limits(make_cluster(), Queue({}, 0)).array_tasks == MAX_ARRAY_SIZE


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cores": 48, "memPerCpu": "4000M"},
        {"cores": 4, "memPerCpu": "1000M"},
        {"gpus": 2, "gpuType": "h100"},
        {"gpus": 2},
        {"cores": 64, "time": "3:00:00"},
        {"gpus": 1, "gpuType": "a100"},
        {"time": "UNLIMITED"},
        {"partition": "short", "cores": 64, "time": "3:00:00"},
        {"partition": "short", "gpus": 6, "time": "1:00:00"},
        {"partition": "short", "gpus": 4, "gpuType": "a100", "time": "1:00:00"},
        {"partition": "long,short", "cores": 64, "time": "3:00:00"},
        {"partition": "long", "time": "7-00"},
    ],
)
def test_tasks_that_some_node_can_run(commands: Commands, fields: dict[str, Any]) -> None:
    """A task that fits any one kind of node of its partitions is let through; without a partition
    all count, as the site may choose."""
    require_runnable(make_cluster(**fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"partition": "main", "cores": 49}, "49 cores (a node has 48)"),
        (
            {"partition": "main", "cores": 48, "memPerCpu": "4001M"},
            "192048 MB of memory (a node has 192000 MB)",
        ),
        ({"partition": "main", "cores": 4, "gpus": 3}, "3 GPUs (a node has gpu:h100:2)"),
        ({"partition": "main", "gpus": 1, "gpuType": "a100"}, "1 a100 GPUs"),
        ({"cores": 65}, "no node of any partition has"),
        ({"cores": 64, "time": "4:00:00"}, "(allowed: up to 03:00:00)"),
        ({"partition": "short", "time": "3:00:01"}, "(allowed: up to 03:00:00)"),
        ({"partition": "short", "time": "UNLIMITED"}, "no time limit"),
        ({"partition": "short", "gpus": 3, "gpuType": "a100_3g.20gb"}, "3 a100_3g.20gb GPUs"),
        ({"partition": "nosuch"}, "partition nosuch is not on this cluster"),
        ({"partition": "long,nosuch"}, "allowed: long, main, short"),
    ],
)
def test_tasks_that_would_wait_for_ever(
    commands: Commands, fields: dict[str, Any], said: str
) -> None:
    """What no node could ever run is refused, saying what is lacking, before Slurm accepts it."""
    with pytest.raises(SlurmError) as refused:
        require_runnable(make_cluster(**fields))
    assert said in str(refused.value)


def test_a_cluster_that_is_down(commands: Commands) -> None:
    """No answer is no limit to be guessed."""
    commands.answer("scontrol", "", 1, "Unable to contact slurm controller")
    commands.answer("sinfo", "", 1, "Unable to contact slurm controller")
    with pytest.raises(SlurmError, match="Unable to contact"):
        read_limits(make_cluster(), Queue({}, 0))
    with pytest.raises(SlurmError, match="Unable to contact"):
        require_runnable(make_cluster())
