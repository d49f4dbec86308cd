"""The examples of docs/search.md are run, with shorter training."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from pages import copied_checkout, lines
from processes import ROOT, call

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records.data import open_data
from nthrun.specs.search.search_spec import METHODS

PAGE = ROOT / "docs/search.md"
SHORT = {"total_timesteps": 200, "eval_interval_timesteps": 100, "eval_episodes": 1}
FEWER = "total_timesteps=2000", "total_timesteps=400"
ENVIRONMENT = "config/environment/PendulumContinuous-v1.json"
RECORDS = "results/random_search/Pendulum-v1_SAC_SquashedGaussian"


def files() -> dict[str, str]:
    """The spec files that the page writes out, by name."""
    found = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(), re.M | re.DOTALL)
    assert len(found) == 6
    return dict(found)


@pytest.mark.slow
def test_commands_run(tmp_path: Path) -> None:
    """Every `bash` line runs, in order, with the files as the page writes them, and the settings
    that it counts are there."""
    checkout = copied_checkout(tmp_path, {ENVIRONMENT: SHORT})
    for name, content in files().items():
        (checkout / name).write_text(content)
    for line in lines(PAGE.read_text()):
        python, program, *arguments = shlex.split(line.replace(*FEWER))
        assert python == "python", line
        backend = ("--backend", "eager") if "--save-dir" in arguments else ()
        done = call(program, *arguments, *backend, cwd=checkout)
        assert done.returncode == 0, (line, done.stderr)
    found = sorted(entry.load(())["index"] for entry in open_data(checkout / RECORDS).entries)
    assert found == [0, 1, 2, 1000, 1001, 1002]
    conditional = read_experiment_spec(
        [str(checkout / ENVIRONMENT)], [str(checkout / "conditional.json")]
    )
    assert "here 20, not 36" in PAGE.read_text()
    assert conditional.sweep.num_settings == 20


def test_the_methods_are_all_there() -> None:
    """The table tells of every method."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.M)
    told = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    assert [word for word in told if word != "method"] == list(METHODS)


def test_examples_are_json() -> None:
    """The files that end in .json are."""
    assert all(json.loads(text) for name, text in files().items() if name.endswith(".json"))


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
