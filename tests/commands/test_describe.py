"""What `--describe` says of packs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from packs import small_spec

from nthrun.commands import describe as described
from nthrun.planning.costs import PackOptions
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.width import Workers

GB = 10**9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 GB of free memory and as much of free disk."""
    workers = lambda root, options: Workers("cpu", "eager", options.workers, 16 * GB)  # noqa: E731
    monkeypatch.setattr(described, "assumed_workers", workers)
    monkeypatch.setattr(described, "free_disk_bytes", lambda root: 16 * GB)


def pack_lines(
    spec: ExperimentSpec, indices: Sequence[int], options: PackOptions | None = None
) -> str:
    """The lines about packs."""
    text = described.describe(spec, indices, 0, "x", options=options or PackOptions())
    return text[text.index("packs on") :]


@pytest.mark.usefixtures("machine")
def test_one_group() -> None:
    """Memory is of one pack, files are of all; static hyperparameters are not repeated."""
    assert pack_lines(small_spec(), range(40)) == (
        "packs on cpu, backend eager, 1 worker with 15.6 GB of memory:\n"
        "  runs    packs   memory  replay   state  series     work  records  checkpoints\n"
        "    40  2 of 32  7.18 MB  115 kB  556 kB  848 kB  5.66 MB   698 kB      4.87 MB\n"
        "files: records 698 kB, checkpoints up to 4.87 MB; 16 GB are free there"
    )


@pytest.mark.usefixtures("machine")
def test_groups_are_told_by_what_differs() -> None:
    """A row a group, aligned, with the static hyperparameters in which groups differ; a group
    without room says so below the table."""
    spec = small_spec(
        {"snapshots": ["final"]},
        {"hidden_dim": [16, 256], "replay_capacity": [100, 10**9], "batch_size": [8]},
    )
    lines = pack_lines(spec, range(24), PackOptions(workers=2)).splitlines()
    assert lines[0] == "packs on cpu, backend eager, 2 workers with 7.6 GB of memory each:"
    assert [len(line.split("  replay_capacity")[0]) for line in lines[2:6]] == [len(lines[1])] * 4
    assert [line[len(lines[1]) + 2 :] for line in lines[2:6]] == [
        "replay_capacity 100, hidden_dim 16",
        "replay_capacity 100, hidden_dim 256",
        "replay_capacity 1000000000, hidden_dim 16",
        "replay_capacity 1000000000, hidden_dim 256",
    ]
    assert all(line.startswith("     6  none fits ") for line in lines[4:6])
    assert lines[6].startswith("note: one run needs 36 GB of memory: replay 1,000,000,000 rows")
    assert "snapshots" in lines[-1]


@pytest.mark.usefixtures("machine")
def test_too_little_disk_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no refusal: files compress, and space may be made."""
    monkeypatch.setattr(described, "free_disk_bytes", lambda root: 1000)
    last = pack_lines(small_spec(), [0]).splitlines()[-1]
    assert last.startswith("note: they may take ")
    assert last.endswith("more than is free")


@pytest.mark.usefixtures("machine")
def test_a_width_asked_for_is_shown() -> None:
    """--pack and --workers give the packs they would form."""
    assert " 10 of 4 " in pack_lines(small_spec(), range(40), PackOptions(width=4))
    assert " 4 of 10 " in pack_lines(small_spec(), range(40), PackOptions(workers=4))


def test_no_indices_no_packs() -> None:
    """Without --index only the sweep is described, and the machine is not looked at."""
    assert "packs on" not in described.describe(small_spec(), (), 0, "x")


@pytest.mark.usefixtures("machine")
def test_many_groups_are_cut() -> None:
    """No more than twenty groups are listed, and all are counted."""
    spec = small_spec(parameters={"hidden_dim": list(range(8, 48))})
    text = pack_lines(spec, range(240))
    assert "\n... and 20 more groups of static hyperparameters\n" in text
