"""Laws of install_environment.sh and activate_environment.sh, by running them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTALL = ROOT / "install_environment.sh"
ACTIVATE = ROOT / "activate_environment.sh"
CLICK = next(
    line
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line.startswith("click==")
)
MODULES = ["StdEnv/2023", "python/3.11"]
FAKE_MODULE = {"BASH_FUNC_module%%": '() { printf "%s\\n" "$*$NEVER_SET" >>"$MODULE_LOG"; }'}
"""A `module` command that logs its calls and, like real ones, reads a variable nobody set."""


def shell(
    arguments: Sequence[object], environment: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run bash on arguments, in a plain environment with some variables added."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NTHRUN_", "VIRTUAL_ENV", "OMP_", "BASH_FUNC_module"))
    }
    added = {name: str(value) for name, value in (environment or {}).items()}
    command = ["bash", *map(str, arguments)]
    variables = kept | {"PYTHON": sys.executable} | added
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def add_wheel(folder: Path, name: str, version: str) -> None:
    """Put a wheel of one empty module into a folder."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{about}/RECORD": record}.items():
            wheel.writestr(path, text)


@dataclass(frozen=True)
class Installed:
    """A virtualenv made by the script, what making it said, and what is needed to do it again."""

    directory: Path
    messages: str
    requirements: Path
    wheelhouse: Path
    module_log: Path

    def install(self) -> subprocess.CompletedProcess[str]:
        """Run the script once more."""
        arguments = [INSTALL, "--env-dir", self.directory, "--requirements", self.requirements]
        variables = {"PIP_FIND_LINKS": self.wheelhouse, "MODULE_LOG": self.module_log}
        return shell(arguments, {**variables, **FAKE_MODULE})

    def version(self, package: str) -> str:
        """The version of a package that activating the virtualenv gives."""
        code = f"import importlib.metadata as m, {package}; print(m.version('{package}'))"
        return self.activated(f'python -c "{code}"').stdout.strip()

    def activated(
        self, command: str, environment: Mapping[str, object] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command after sourcing the activation script."""
        done = shell(["-c", f". {ACTIVATE} {self.directory} && {command}"], environment)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """click, which the wheelhouse lacks, and a package it has at another version than the pin."""
    folder = tmp_path_factory.mktemp("install")
    wheelhouse = folder / "wheelhouse"
    wheelhouse.mkdir()
    add_wheel(wheelhouse, "nthrun_tiny", "0.8+computecanada")
    requirements = folder / "requirements.txt"
    requirements.write_text(f"# needed\n\n{CLICK}  # from the index\nnthrun-tiny==0.9\n")
    about = Installed(folder / "env", "", requirements, wheelhouse, folder / "modules.log")
    done = about.install()
    assert done.returncode == 0, done.stderr
    return Installed(about.directory, done.stderr, requirements, wheelhouse, about.module_log)


def test_help() -> None:
    """--help names every option and exits 0."""
    done = shell([INSTALL, "--help"])
    assert (done.returncode, done.stderr) == (0, "")
    names = ["env-dir", "modules", "python-module", "requirements", "extras", "dry-run", "help"]
    assert [name for name in names if f"  --{name} " not in done.stdout] == []


def test_dry_run_prints_the_commands_and_changes_nothing(tmp_path: Path) -> None:
    """--dry-run prints every command, with the values asked for, and runs none of them."""
    log = tmp_path / "modules.log"
    arguments = "--dry-run --modules StdEnv/2026 --python-module=python/3.12 --extras render"
    environment = {"HOME": tmp_path, "MODULE_LOG": log, **FAKE_MODULE}
    done = shell([INSTALL, *arguments.split()], environment)
    assert done.returncode == 0, done.stderr
    commands = done.stdout.splitlines()
    assert commands[:2] == ["module load StdEnv/2026", "module load python/3.12"]
    wheelhouse = next(line for line in commands if "--no-index" in line and " torch " in line)
    assert wheelhouse.startswith(f"{tmp_path}/nthrun-env/bin/python -m pip install")
    assert "==" not in wheelhouse and "pygame" in wheelhouse
    index = commands[-1]
    assert CLICK in index.split() and "--no-index" not in index
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--environment", "x"], "--environment: unknown option"),
        (["env"], "env: unknown option"),
        (["--env-dir"], "--env-dir: a value is missing"),
        (["--env-dir", ""], "--env-dir: got nothing"),
        (["--extras", "rendr"], "got 'rendr', allowed: bayes dmcontrol importance minatar mlflow"),
        (["--requirements", "/nowhere.txt"], "/nowhere.txt: no such file"),
        (["--requirements", str(ROOT / "requirements-dev.txt")], "got '-r requirements.txt'"),
        (["--env-dir", str(ROOT / "nthrun")], "exists and is no virtualenv"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], problem: str) -> None:
    """What cannot be done is refused before anything is done: one line on stderr, exit code 2."""
    done = shell([INSTALL, *arguments])
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("install_environment.sh: error: ") and problem in line


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    """An interpreter older than requires-python is refused, saying which is needed."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.9\n")
    python.chmod(0o755)
    done = shell([INSTALL, "--env-dir", tmp_path / "env"], {"PYTHON": python})
    assert done.returncode == 1
    assert "is Python 3.9, needed: 3.11 or newer" in done.stderr
    assert not (tmp_path / "env").exists()


def test_what_the_wheelhouse_lacks_comes_from_the_index(installed: Installed) -> None:
    """A package the wheelhouse lacks is installed from the index at its pin, and this is said."""
    assert f"the wheelhouse lacks click: installing {CLICK} from the" in installed.messages
    assert f"click=={installed.version('click')}" == CLICK


def test_the_wheelhouse_comes_first_whatever_the_pin_and_again(installed: Installed) -> None:
    """A wheelhouse version is taken in spite of the pin, saying so; a second run updates it."""
    assert "note: nthrun-tiny is 0.8+computecanada, the pin is 0.9" in installed.messages
    assert "lacks nthrun-tiny" not in installed.messages
    add_wheel(installed.wheelhouse, "nthrun_tiny", "0.9+computecanada")
    again = installed.install()
    assert again.returncode == 0, again.stderr
    assert "exists: updating it" in again.stderr and "the pin is" not in again.stderr
    assert installed.version("nthrun_tiny") == "0.9+computecanada"


def test_a_virtualenv_is_made_once_and_a_broken_one_again(
    installed: Installed, tmp_path: Path
) -> None:
    """A whole virtualenv is kept; one whose making was interrupted is made again."""
    interrupted = tmp_path / "env"
    command = [sys.executable, "-m", "venv", "--without-pip", str(interrupted)]
    subprocess.run(command, check=True)
    for directory, made in ((installed.directory, False), (interrupted, True)):
        done = shell([INSTALL, "--dry-run", "--env-dir", directory])
        commands = done.stdout.splitlines()
        assert any(line.endswith(str(directory)) for line in commands) == made


def test_a_second_install_at_once_is_refused(installed: Installed) -> None:
    """While one install is at work on a virtualenv another is refused and leaves its lock."""
    lock = installed.directory.with_suffix(".lock")
    assert not lock.exists()
    lock.mkdir()
    done = installed.install()
    assert done.returncode == 1
    assert "another install is at work" in done.stderr.splitlines()[-1]
    assert lock.exists()
    lock.rmdir()


def test_both_scripts_load_the_same_modules(installed: Installed, tmp_path: Path) -> None:
    """The modules asked for are loaded in order when installing, and again when activating."""
    expected = [f"load {name}" for name in MODULES]
    assert installed.module_log.read_text().splitlines()[:2] == expected
    log = tmp_path / "modules.log"
    installed.activated("true", {"MODULE_LOG": log, **FAKE_MODULE})
    assert log.read_text().splitlines() == expected


def test_without_a_module_command_none_is_loaded(installed: Installed) -> None:
    """Where there is no module command activation says so and works without."""
    done = installed.activated('python -c "import sys; print(sys.prefix)"')
    assert done.stdout.strip() == str(installed.directory)
    assert "no module command here" in done.stderr


def test_a_module_that_does_not_load_stops_both_scripts(
    installed: Installed, tmp_path: Path
) -> None:
    """A module that fails to load is named; nothing is installed and nothing activated."""
    broken = {"BASH_FUNC_module%%": '() { [ "$2" != python/3.11 ]; }'}
    done = shell([INSTALL, "--env-dir", tmp_path / "env"], broken)
    assert done.returncode == 1
    assert "error: module python/3.11 could not be loaded" in done.stderr
    assert list(tmp_path.iterdir()) == []
    script = f'. {ACTIVATE} {installed.directory}; echo "$? ${{VIRTUAL_ENV-none}}"'
    done = shell(["-c", script], broken)
    assert done.stdout.split() == ["1", "none"]
    assert "error: module python/3.11 could not be loaded" in done.stderr


@pytest.mark.parametrize("options", ["", "set -u", "set -euo pipefail"])
def test_activation_leaves_the_shell_as_it_was(installed: Installed, options: str) -> None:
    """Activation works under strict options, changes none of them and leaves no function behind."""
    state = "shopt -op; declare -F | grep -v deactivate || true"
    script = (
        f"{options}\n{state}\n. {ACTIVATE} {installed.directory} && echo ---\n"
        f"{state}\n. {ACTIVATE} {installed.directory} && echo twice"
    )
    done = shell(["-c", script], {"MODULE_LOG": "/dev/null", **FAKE_MODULE})
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("---\n")
    assert after == f"{before}twice\n"


def test_a_missing_virtualenv_does_not_end_the_shell(tmp_path: Path) -> None:
    """Without a virtualenv there is one clear line and status 1, and the shell goes on."""
    script = f'. {ACTIVATE}; echo "status $?"'
    done = shell(["-c", script], {"NTHRUN_ENV": tmp_path / "none"})
    assert (done.returncode, done.stdout) == (0, "status 1\n")
    [line] = done.stderr.splitlines()
    assert f"no virtualenv at {tmp_path}/none; hint: " in line


def test_executing_the_activation_script_says_to_source_it(installed: Installed) -> None:
    """Executed instead of sourced, the script says what to type and exits 2."""
    done = shell([ACTIVATE, installed.directory])
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"hint: . {ACTIVATE} {installed.directory}" in line


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({"OMP_NUM_THREADS": "4"}, "4")])
def test_one_openmp_thread_unless_asked(
    installed: Installed, given: dict[str, str], expected: str
) -> None:
    """OMP_NUM_THREADS is exported as 1, and left alone where it is set."""
    done = installed.activated("printenv OMP_NUM_THREADS", given)
    assert done.stdout.strip() == expected
