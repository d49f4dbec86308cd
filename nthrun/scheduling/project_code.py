"""The user's code in a snapshot: whether tasks can import what the specs name, before they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from nthrun.errors import DataFileError
from nthrun.scheduling.plan import Plan
from nthrun.scheduling.submission import interpreter, module_paths, project_variables
from nthrun.specs.trust import names_code
from nthrun.terminal import note

PATIENCE_SECONDS = 300
REFUSED = 3
MARK = "nthrun imports "
CHECK = f"""
import json, sys
from pathlib import Path
from nthrun.errors import NthrunError
from nthrun.planning.experiment_spec import experiment_spec_of
environment, agent = json.load(sys.stdin)
try:
    experiment_spec_of(environment, agent, "the snapshot")
except NthrunError as error:
    print(*error.lines(), sep="; ")
    sys.exit({REFUSED})
for name in (environment["env_name"], agent["agent_name"]):
    module = sys.modules.get(name.partition(":")[0])
    if ":" in name and getattr(module, "__file__", None):
        print("{MARK}" + json.dumps([name, str(Path(module.__file__).resolve())]))
"""
"""What is run in a snapshot: it reads the specs as a task does, which imports what they name, and
prints the place of each module."""


def require_importable(plan: Plan) -> None:
    """Check that the code of a user's that specs name can be imported where tasks will run.

    Args:
        plan: with its snapshots taken.

    Raises:
        DataFileError: it cannot.
    """
    if not names_code(plan.agent, plan.environment):
        return
    folders = [*plan.folders, plan.root]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= project_variables(plan)
    variables["PYTHONPATH"] = os.pathsep.join(map(str, module_paths(plan)))
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        done = subprocess.run(
            [*interpreter(plan.cluster), "-c", CHECK],
            cwd=folders[0],
            env=variables,
            input=json.dumps([plan.environment, plan.agent]),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DataFileError(f"{folders[0]}: the code cannot be tried: {error}") from error
    if done.returncode:
        said = (done.stdout if done.returncode == REFUSED else done.stderr).strip().splitlines()
        raise DataFileError(
            f"{folders[0]}: tasks could not run the snapshot of your code: {(said or ['?'])[-1]}",
        )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            name, place = json.loads(line.removeprefix(MARK))
            _tell_place(name, place, plan)


def _tell_place(name: str, place: str, plan: Plan) -> None:
    """Say where a module lies that is in no snapshot, and not installed either."""
    inside = any(place.startswith(f"{folder.resolve()}{os.sep}") for folder in plan.folders)
    installed = any(
        place.startswith(f"{prefix}{os.sep}") for prefix in (sys.prefix, sys.base_prefix)
    )
    if not (inside or installed):
        note(
            f"{name} is imported from {place}, of which no snapshot is taken: tasks run it as it "
            "is when they begin"
        )
