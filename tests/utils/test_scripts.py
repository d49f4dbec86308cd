"""Laws that every plotting script fulfils."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread
from processes import ROOT

from nthrun.commands.plot import FIGURES

KRUSELL_SMITH = ("equilibrium_functions", "impulse_response", "law_of_motion", "simulated_path")
POLICIES = ("policy_map", "decision_rules", *KRUSELL_SMITH)
SCRIPTS = {name: f"plot_{name}.py" for name in FIGURES if name not in POLICIES}
SCRIPTS["learning_curves"] = "plot_mse_data.py"


def test_every_figure_has_a_script() -> None:
    """There is a script for each figure of the table, and each script draws one."""
    scripts = {path.name for path in (ROOT / "utils").glob("*.py")}
    assert scripts == {*SCRIPTS.values(), *(f"plot_{name}.py" for name in POLICIES)}
    for name, script in SCRIPTS.items():
        assert f'figure_command("{name}")' in (ROOT / "utils" / script).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_argument(tmp_path: Path, name: str) -> None:
    """Without an argument, from any directory, a figure of the demo data is drawn."""
    command = [sys.executable, str(ROOT / "utils" / SCRIPTS[name])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    paths = [tmp_path / line for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert {path.suffix for path in paths} == {".png", ".pdf", ".json"}
    for path in paths:
        if path.suffix == ".png":
            picture = imread(path)
            assert picture.min() < 0.3 and picture.max() == 1.0  # neither blank nor black


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_policies(tmp_path: Path, name: str) -> None:
    """Without an argument what the demo's solvers have learned is drawn."""
    command = [sys.executable, str(ROOT / f"utils/plot_{name}.py"), "--out", "f.png"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert imread(tmp_path / "f.png").min() < 0.3


def test_help() -> None:
    """The command of every figure but those of policies is made without torch, and its help says
    what it draws."""
    code = (
        "import sys\n"
        "from nthrun.commands.plot import figure_command\n"
        f"for name in {[*SCRIPTS]!r}:\n"
        "    assert figure_command(name).help.startswith('Plot ')\n"
        "assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "junk"])
def test_another_programs_backend_keeps_nobody_from_drawing(backend: str) -> None:
    """Whatever $MPLBACKEND names, figures and reports can be drawn, and it is still set after; a
    TeX that a matplotlibrc asks for is not asked for."""
    code = (
        "import os\n"
        "import nthrun.analysis.report.page\n"
        "from nthrun.commands.plot import figure_command\n"
        "from nthrun.analysis.figures.style import Style\n"
        "import matplotlib\n"
        f"for name in {[*SCRIPTS]!r}:\n"
        "    assert figure_command(name).help.startswith('Plot ')\n"
        "matplotlib.rcParams['text.usetex'] = True\n"
        "with Style().context():\n"
        "    assert not matplotlib.rcParams['text.usetex']\n"
        f"assert os.environ['MPLBACKEND'] == {backend!r}\n"
    )
    variables = os.environ | {"MPLBACKEND": backend}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=variables)


def test_a_backend_that_there_is_stays() -> None:
    """Who draws with pyplot beside nthrun keeps the backend that was named for it."""
    code = (
        "import nthrun.analysis.figures, matplotlib\n"
        "assert matplotlib.rcParams['backend'] == 'svg'\n"
    )
    variables = os.environ | {"MPLBACKEND": "svg"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=variables)


@pytest.mark.parametrize("name", ["HDF5_DRIVER", "HDF5_VOL_CONNECTOR"])
def test_another_programs_storage_keeps_nobody_from_reading(name: str) -> None:
    """What HDF5 is told to read other programs' files with, it is not told for ours."""
    command = [sys.executable, str(ROOT / "simple_combine.py"), "--help"]
    variables = os.environ | {name: "junk"}
    subprocess.run(command, check=True, cwd=ROOT, env=variables, capture_output=True)
