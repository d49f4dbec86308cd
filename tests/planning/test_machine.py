"""Compilers and GPUs, looked for on made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from nthrun.planning.machine import compiler, free_gpu_bytes, visible_gpu


def program(folder: Path, name: str, script: str = "true") -> Path:
    """An executable that runs a shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """An environment whose $PATH is an empty directory."""
    return {"PATH": str(tmp_path)}


def test_no_compiler(path: dict[str, str]) -> None:
    """Without any there is none."""
    assert compiler(path) is None


def test_the_compiler_asked_for_comes_first(path: dict[str, str], tmp_path: Path) -> None:
    """$CXX is the only one if it is set, else g++, c++ or clang++ is taken, in this order."""
    last, first, own = (program(tmp_path, name) for name in ("clang++", "g++", "own++"))
    assert compiler(path) == str(first)
    assert compiler(path | {"CXX": "own++"}) == compiler(path | {"CXX": str(own)}) == str(own)
    assert compiler(path | {"CXX": "not there"}) is None
    first.unlink()
    assert compiler(path) == str(last)


def test_free_memory_is_told_by_nvidia_smi(path: dict[str, str], tmp_path: Path) -> None:
    """It is asked for MiB, a line a GPU, of those that $CUDA_VISIBLE_DEVICES names."""
    assert free_gpu_bytes(path) == []
    program(tmp_path, "nvidia-smi", 'test "$3" = --id=1 || echo 81000; echo 500')
    assert free_gpu_bytes(path) == [81_000 * 2**20, 500 * 2**20]
    assert free_gpu_bytes(path | {"CUDA_VISIBLE_DEVICES": "1"}) == [500 * 2**20]


@pytest.mark.parametrize("script", ["exit 9", "echo no devices were found; exit 6", "echo '[N/A]'"])
def test_an_nvidia_smi_without_gpu(path: dict[str, str], tmp_path: Path, script: str) -> None:
    """One that fails or says something else tells nothing, and shows no GPU."""
    program(tmp_path, "nvidia-smi", script)
    assert free_gpu_bytes(path) == []
    assert not visible_gpu(path, tmp_path)


def test_a_gpu_shows(path: dict[str, str], tmp_path: Path) -> None:
    """A device file or nvidia-smi shows it, unless $CUDA_VISIBLE_DEVICES hides it."""
    (tmp_path / "nvidiactl").touch()
    assert not visible_gpu(path, tmp_path)
    (tmp_path / "nvidia3").touch()
    assert visible_gpu(path, tmp_path)
    assert not visible_gpu(path | {"CUDA_VISIBLE_DEVICES": ""}, tmp_path)
    (tmp_path / "nvidia3").unlink()
    program(tmp_path, "nvidia-smi", "echo 81000")
    assert visible_gpu(path | {"CUDA_VISIBLE_DEVICES": "1"}, tmp_path)
