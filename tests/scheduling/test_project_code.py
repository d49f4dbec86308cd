"""Whether tasks can import a user's code, asked before they are submitted."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import make_plan
from processes import ROOT

from nthrun.errors import DataFileError
from nthrun.scheduling.code_snapshot import take_snapshot
from nthrun.scheduling.plan import Plan
from nthrun.scheduling.project_code import require_importable
from nthrun.scheduling.submission import script_of

COIN = """
from nthrun import Interface
from coins.sides import SIDES

class Coin:
    interface = Interface(observation_low=(0.0,), observation_high=(1.0,), num_actions=SIDES)
    on_host = True
"""
ENVIRONMENT = {"env_name": "coins.coin:Coin", "total_timesteps": 10, "steps_per_episode": 5}
AGENT = {"agent_name": "Sarsa", "parameters": {}}


def planned(root: Path, project: Path) -> Plan:
    """A plan of an environment of a project, with snapshots of that and of nthrun."""
    names = {"project": take_snapshot(project, root), "code": take_snapshot(ROOT, root)}
    return make_plan(root, environment=ENVIRONMENT, agent=AGENT, **names)


@pytest.fixture(params=[".", "src"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project whose package lies in its root or in `src`."""
    package = tmp_path / "project" / request.param / "coins"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "coin.py").write_text(COIN)
    (package / "sides.py").write_text("SIDES = 2\n")
    return tmp_path / "project"


def test_a_snapshot_that_tasks_can_import(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A snapshot with all that the specs name is taken, whatever becomes of the project; the batch
    script has modules looked for there first and forgets where it was submitted."""
    plan = planned(tmp_path / "e", project)
    for path in project.rglob("*.py"):
        path.write_text("raise ValueError\n")
    require_importable(plan)
    assert capsys.readouterr().err == ""
    script = script_of(plan, 0).splitlines()
    folders = [str(tmp_path / "e" / plan.project)]
    folders += [f"{folders[0]}/src"] if (project / "src").is_dir() else []
    folders += [str(tmp_path / "e" / plan.code)]
    assert f"#SBATCH --chdir={folders[0]}" in script
    export = f"export PYTHONPATH={':'.join(folders)}${{PYTHONPATH:+:$PYTHONPATH}}"
    assert script.index("unset PYTHONPATH") < script.index(export)
    assert f"export NTHRUN_PROJECT={folders[0]}" in script


def test_a_module_that_is_missing(project: Path, tmp_path: Path) -> None:
    """A module that is not in the snapshot is named before anything is submitted, though it can be
    imported here."""
    (module,) = project.rglob("sides.py")
    module.unlink()
    with pytest.raises(DataFileError, match=r"could not run the snapshot.*no module coins.sides"):
        require_importable(planned(tmp_path / "e", project))


def test_what_runs_from_elsewhere_is_said(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that a path file of Python finds outside every snapshot is noted with its place."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "coins").mkdir(parents=True)
    for path in project.rglob("*.py"):
        path.rename(elsewhere / "coins" / path.name)
    (project / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(elsewhere)!r})")
    require_importable(planned(tmp_path / "e", project))
    said = capsys.readouterr().err
    assert f"coins.coin:Coin is imported from {elsewhere}/coins/coin.py, of which no" in said
