"""Backends from the command line: chosen once, kept, and never replaced in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packs import BACKENDS
from processes import EXPERIMENT, call, recorded, write_specs

from nthrun.records.schema import first_difference

NO_COMPILER = {"PATH": "/nonexistent", "CXX": ""}


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A short experiment under the test's own directory."""
    specs = write_specs(tmp_path, {"total_timesteps": 130})
    return [*specs, "--save-dir", str(tmp_path / "out"), "--index", "0"]


def backend_of(tmp_path: Path) -> str:
    """What the manifest says."""
    manifest = json.loads((tmp_path / "out" / EXPERIMENT / "manifest.json").read_text())
    return str(manifest["backend"])


def test_a_new_experiment_is_compiled_where_there_is_a_compiler(
    tmp_path: Path, arguments: list[str]
) -> None:
    """`auto` compiles, says nothing of it, and records how; the record can be proved."""
    done = call("main.py", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert backend_of(tmp_path) == "compile"
    (run,) = recorded(tmp_path / "out").values()
    assert run["provenance"]["backend"] == "compile"
    assert run["provenance"]["compiler"]
    again = call("main.py", *arguments, "--verify")
    assert again.stdout == "index 0: equal\n"


def test_without_a_compiler_auto_says_so_and_runs_eagerly(
    tmp_path: Path, arguments: list[str]
) -> None:
    """One note on stderr, and an experiment that stays eager even where there is a compiler."""
    done = call("main.py", *arguments, **NO_COMPILER)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "operation by operation (eager): no C++ compiler was found" in done.stderr
    assert backend_of(tmp_path) == "eager"
    more = call("main.py", *arguments[:-1], "1")
    assert (more.returncode, more.stderr) == (0, "")
    assert {run["provenance"]["backend"] for run in recorded(tmp_path / "out").values()} == {
        "eager"
    }


def test_compile_without_a_compiler_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """What is asked for and cannot be had ends the command before anything is created."""
    done = call("main.py", *arguments, "--backend", "compile", **NO_COMPILER)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no C++ compiler was found")
    assert "--backend eager" in done.stderr
    assert not (tmp_path / "out" / EXPERIMENT).exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_experiment_keeps_to_its_backend(
    tmp_path: Path, arguments: list[str], backend: str
) -> None:
    """Asking for the other one later is refused; leaving it out goes on with the first."""
    other = next(name for name in BACKENDS if name != backend)
    assert call("main.py", *arguments, "--backend", backend).returncode == 0
    refused = call("main.py", *arguments[:-1], "1", "--backend", other)
    assert refused.returncode == 2
    assert f"are made with {backend}" in refused.stderr
    assert call("main.py", *arguments[:-1], "1").returncode == 0
    assert backend_of(tmp_path) == backend


@pytest.mark.slow
def test_workers_compile_once_and_keep_the_bits(tmp_path: Path, arguments: list[str]) -> None:
    """Two workers with compiled steps give the records that one process gives."""
    log, wrapper = tmp_path / "log", tmp_path / "compiler"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *step.cpp) echo 1 >> {log};; esac\nexec g++ "$@"\n'
    )
    wrapper.chmod(0o755)
    fresh = {"NTHRUN_CACHE": str(tmp_path / "cache"), "CXX": str(wrapper)}
    options = [*arguments[:-1], "0-3", "--pack", "1", "--backend", "compile"]
    assert call("main.py", *options, "--workers", "2", **fresh).returncode == 0
    assert log.read_text().count("1") == 2
    together = recorded(tmp_path / "out")
    options[options.index("--save-dir") + 1] = str(tmp_path / "alone")
    assert call("main.py", *options).returncode == 0
    alone = recorded(tmp_path / "alone")
    for index, run in alone.items():
        assert first_difference(run, together[index]) is None, index
