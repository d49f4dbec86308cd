"""Laws of the installed package: its command, what is shipped in it, and what it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from installed import Installation, installation
from pages import lines
from processes import ROOT

from nthrun import __version__
from nthrun.specs.shipped import FOLDERS, SUFFIXES, TEMPLATE, shipped_files

SPECS = ("config/environment/CartPole-v1.json", "config/agent/SoftmaxAC_classic_sweep.json")


@pytest.fixture(scope="module")
def installed() -> Installation:
    """nthrun in a virtualenv of its own."""
    return installation()


def test_shipped_specs_are_copied(installed: Installation, tmp_path: Path) -> None:
    """With the wheel alone, shipped specs are copied into an empty folder and described there."""
    done = installed.call("nthrun", "specs", *SPECS, "--copy-to", ".", cwd=tmp_path)
    assert done.stdout.split() == sorted(SPECS), done.stderr
    options = ["--env-json", SPECS[0], "--agent-json", SPECS[1], "--index", "0"]
    done = installed.call("nthrun", "describe", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "CartPole-v1_SoftmaxAC" in done.stdout
    (tmp_path / SPECS[0]).write_text("{}")
    again = installed.call("nthrun", "specs", *SPECS, "--copy-to", ".", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith(f"error: {SPECS[0]}: there already, and says otherwise")


@pytest.mark.slow
def test_a_new_project_runs_at_once(installed: Installation, tmp_path: Path) -> None:
    """`nthrun new` writes a project whose README's commands train, choose and report, with the
    wheel alone and from wherever the project is."""
    done = installed.call("nthrun", "new", "lab", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "lab"
    readme = (project / "README.md").read_text()
    assert readme.startswith("# lab\n")
    assert len(readme.splitlines()) <= 12
    for command in lines(readme):
        done = installed.call("bash", "-c", command, cwd=project)
        assert done.returncode == 0, (command, done.stderr)
    assert (project / "report.html").is_file()
    done = installed.call("nthrun", "status", "first", cwd=project)
    assert re.search(r"corridor_q_learning-train +0 +20 +20 ", done.stdout), (
        done.stdout + done.stderr
    )
    again = installed.call("nthrun", "new", "lab", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("error: lab: there already")
    where = installed.call(installed.python, "-c", "import nthrun as n; print(n)", cwd=project)
    assert str(installed.virtualenv) in where.stdout


def test_the_wheel_carries_what_is_shipped(installed: Installation, tmp_path: Path) -> None:
    """Every spec, cluster file and file of demo data is in the wheel, and so is py.typed."""
    wanted = {
        f"nthrun/shipped/{name}/{path.relative_to(ROOT / folder).as_posix()}"
        for name, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES
    }
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    assert wanted | {"nthrun/py.typed"} <= names
    listed = installed.call("nthrun", "specs", cwd=tmp_path).stdout.splitlines()
    assert listed == [name for name, _ in shipped_files()]
    assert {f"nthrun/shipped/{name}" for name in listed} == {
        name for name in wanted if not name.startswith(f"nthrun/shipped/{TEMPLATE}/")
    }
    demo = installed.call("nthrun", "best", "--no-write", _demo(installed), cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr


def _demo(installed: Installation) -> Path:
    (place,) = installed.virtualenv.glob("lib/*/site-packages/nthrun/shipped/demo/Mountain*.json")
    return place


def test_the_version_has_one_place(installed: Installation, tmp_path: Path) -> None:
    """The wheel, the command and the citation have the version that the package says."""
    assert f"nthrun-{__version__}-" in installed.wheel.name
    for words in (("nthrun",), (installed.python, "-m", "nthrun")):
        assert installed.call(*words, "--version", cwd=tmp_path).stdout == f"nthrun {__version__}\n"
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project


WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder
class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from nthrun.__main__ import main
main()
"""
"""The console command where torch is not installed."""


def test_without_torch(tmp_path: Path) -> None:
    """Without torch sweeps are described, planned, shown and chosen from; what trains says in one
    line that it is missing."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_TORCH, *words]
        variables = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )

    specs = ["--env-json", str(ROOT / SPECS[0]), "--agent-json", str(ROOT / SPECS[1])]
    assert call("describe", *specs, "--index", "0").returncode == 0
    places = [ROOT / "clusters/local.json", "main.py", ROOT, ROOT / SPECS[0], "s", ROOT / SPECS[1]]
    planned = call("schedule", "--runs", "1", "--dry-run", *map(str, places))
    assert planned.returncode == 0, planned.stderr
    best = call("best", "--no-write", str(ROOT / "docs/demo/MountainCar-v0_SoftmaxAC.json"))
    assert best.returncode == 0, best.stderr
    trained = call("run", *specs, "--index", "0")
    assert trained.returncode == 2
    assert re.fullmatch(r"error: .*torch.* is not installed.*nthrun\[torch\]\W\n", trained.stderr)


def test_bash_completes(installed: Installation, tmp_path: Path) -> None:
    """The lines that click writes for bash have it offer commands, options and files."""
    lines = 'eval "$(_NTHRUN_COMPLETE=bash_source nthrun)"; complete -p nthrun; '
    for words in ("nthrun de", "nthrun run --env-j", "nthrun plot learn"):
        last = len(words.split()) - 1
        lines += (
            f"COMPREPLY=(); COMP_WORDS=({words}) COMP_CWORD={last}; _nthrun_completion nthrun; "
        )
        lines += 'echo "${COMPREPLY[@]}"; '
    done = installed.call("bash", "-c", lines, cwd=tmp_path)
    assert done.stdout.splitlines()[1:] == ["describe", "--env-json", "learning_curves"], done


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_ask_the_command(shell: str, installed: Installation, tmp_path: Path) -> None:
    """For zsh and fish there are lines that ask the command, too."""
    variables = installed.variables | {"_NTHRUN_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        ["nthrun"], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"_NTHRUN_COMPLETE={shell}_complete" in done.stdout
