"""README's session on a login node, as it is printed there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ROOT
from slurm.cluster import SlurmCluster
from slurm.configuration import Options
from slurm.daemons import wait_until

README = (ROOT / "README.md").read_text()
REASONS = ("squeue", "--noheader", "--format=%r")
COPIED = ("main.py", "schedule.py", "nthrun", "config", "clusters")


@pytest.fixture
def large(installed: None) -> Iterator[SlurmCluster]:
    """A cluster with one node as large as README's, which is drained, so that jobs wait."""
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as directory:
        options = Options(accounting=False, nodes=1, cpus_per_node=192, memory_mb=768_000)
        cluster = SlurmCluster(Path(directory), options)
        cluster.start()
        cluster.run("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
        yield cluster
        cluster.stop()


def sessions() -> list[tuple[str, str]]:
    """(command, what README says it prints) of every console block."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in block.split("$ ")[1:]]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def test_the_session_prints_what_readme_says(large: SlurmCluster, tmp_path: Path) -> None:
    """Every command of a console block, in order, in a fresh checkout: line by line."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / name, ignore=ignore)
        else:
            shutil.copy(source, tmp_path / name)
    path = f"{Path(sys.executable).parent}:{large.environment['PATH']}"
    assert len(sessions()) == 3
    for command, expected in sessions():
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | large.environment | {"PATH": path},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        found = re.sub(r"waits: .*", "waits: Priority", done.stdout).splitlines()
        assert [line.rstrip() for line in found] == expected.splitlines(), command
        wait_until(lambda: large.run(*REASONS) != "None", "a reason for waiting")
