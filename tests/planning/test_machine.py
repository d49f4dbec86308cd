"""What the machine says of itself: memory, compilers and GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.planning.machine import compiler, free_gpu_bytes, host_memory, readable, visible_gpu


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


GIB = 2**30
MIB = 2**20


def system(root: Path, available: int = 64 * GIB, cgroup: str = "") -> Path:
    """A root directory with /proc."""
    (root / "proc" / "self").mkdir(parents=True)
    lines = f"MemTotal: 1 kB\nMemAvailable:   {available // 1024} kB\nBuffers: 2 kB\n"
    (root / "proc" / "meminfo").write_text(lines)
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    return root


def group(root: Path, place: str, **files: str) -> None:
    """Files of one control group; the first underscore of a name is a dot."""
    folder = root / "sys" / "fs" / "cgroup" / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".", 1)).write_text(content)


def test_the_kernel_says_what_is_available(tmp_path: Path) -> None:
    """Without limits it is MemAvailable."""
    assert host_memory(system(tmp_path), {}) == 64 * GIB


def test_nothing_known_is_no_bound(tmp_path: Path) -> None:
    """A system without /proc gives no bound."""
    assert host_memory(tmp_path, {}) is None


def test_a_job_of_version_2_binds_through_its_parent(tmp_path: Path) -> None:
    """The limit of any group above the process counts, less what the group uses, its cached pages
    of files left out."""
    system(tmp_path, cgroup="0::/system.slice/job_7/step_0\n")
    group(tmp_path, "system.slice/job_7/step_0", memory_max="max\n", memory_current="5\n")
    stat = f"anon 1\ninactive_file {GIB}\nactive_file 7\n"
    group(
        tmp_path,
        "system.slice/job_7",
        memory_max=f"{8 * GIB}\n",
        memory_current=f"{3 * GIB}\n",
        memory_stat=stat,
    )
    assert host_memory(tmp_path, {}) == 6 * GIB


def test_a_job_of_version_1(tmp_path: Path) -> None:
    """The memory controller's own tree is read, and no limit is a huge one."""
    cgroup = "12:cpu,cpuacct:/x\n4:memory:/slurm/uid_1/job_2/step_batch\n0::/\n"
    system(tmp_path, cgroup=cgroup)
    top = "memory/slurm/uid_1"
    huge = str(2**63 - 4096)
    group(tmp_path, top, memory_limit_in_bytes=huge, memory_usage_in_bytes=f"{50 * GIB}")
    group(
        tmp_path,
        f"{top}/job_2",
        memory_limit_in_bytes=f"{4 * GIB}\n",
        memory_usage_in_bytes=f"{2 * GIB}\n",
        memory_stat=f"cache {9 * GIB}\ninactive_file 0\ntotal_inactive_file {GIB}\n",
    )
    assert host_memory(tmp_path, {}) == 3 * GIB


def test_a_container_sees_its_group_at_the_top(tmp_path: Path) -> None:
    """A group that is not mounted under its name still has the limits of what is."""
    system(tmp_path, cgroup="0::/not/mounted/here\n")
    group(tmp_path, "", memory_max=f"{GIB}", memory_current="0")
    assert host_memory(tmp_path, {}) == GIB


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    """Bytes left are never negative."""
    system(tmp_path, cgroup="0::/job\n")
    group(tmp_path, "job", memory_max="100", memory_current="300")
    assert host_memory(tmp_path, {}) == 0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SLURM_MEM_PER_NODE": "4000"}, 4000 * MIB),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "4"}, 8 * GIB),
        ({"SLURM_MEM_PER_CPU": "2048"}, 64 * GIB),
        ({"SLURM_MEM_PER_NODE": "0"}, 64 * GIB),
        ({"SLURM_MEM_PER_NODE": "", "SLURM_CPUS_ON_NODE": "x"}, 64 * GIB),
    ],
)
def test_slurms_grant_binds(tmp_path: Path, environment: dict[str, str], expected: int) -> None:
    """What Slurm says it grants on this node is a bound; 0 is the whole node."""
    assert host_memory(system(tmp_path), environment) == expected


@given(st.lists(st.integers(0, 2**50), min_size=3, max_size=3))
def test_the_smallest_bound_counts(sizes: list[int]) -> None:
    """Whatever kernel, control group and Slurm say, the least of it is what is left."""
    kernel, job, grant = (size // MIB * MIB for size in sizes)
    root = Path("/nowhere")
    files = {
        root / "proc/meminfo": f"MemAvailable: {kernel // 1024} kB",
        root / "proc/self/cgroup": "0::/job",
        root / "sys/fs/cgroup/job/memory.max": str(job),
        root / "sys/fs/cgroup/job/memory.current": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "nthrun.planning.machine._lines", lambda path: files.get(path, "").splitlines()
        )
        left = host_memory(root, {"SLURM_MEM_PER_NODE": str(grant // MIB)})
    assert left == min(size for size in (kernel, job, grant or kernel))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (31_234_567, "31.2 MB"), (999_600, "1 MB")],
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    """Sizes are shown in decimal units."""
    assert readable(size) == text


def test_no_size_is_too_large_to_show() -> None:
    """Beyond the last unit its number grows."""
    assert readable(36e24) == "36000000 EB"
