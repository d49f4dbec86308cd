"""Classes that users wrote for earlier code still train, or are told in one line what to import.

`data/own_classes_of_before` holds the examples of docs/extending.md as version 0.1.0 had them.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from nthrun.commands.run import run as main
from nthrun.errors import SpecError
from nthrun.records.data import open_data

CLASSES = Path(__file__).parent / "data/own_classes_of_before"
SHORT = {"total_timesteps": 40, "eval_interval_timesteps": 20, "eval_episodes": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The classes, importable, and their specs for a few steps."""
    shutil.copytree(CLASSES, tmp_path / "own")
    monkeypatch.syspath_prepend(tmp_path / "own")
    for name in ("Corridor", "Coin", "Firm"):
        spec = tmp_path / f"own/{name}.json"
        spec.write_text(json.dumps(json.loads(spec.read_text()) | SHORT))
    return tmp_path / "own"


def train(folder: Path, environment: str, agent: str) -> None:
    """Train one index."""
    specs = ["--env-json", str(folder / environment), "--agent-json", str(folder / agent)]
    where = ["--save-dir", str(folder / "save"), "--index", "0", "--backend", "eager"]
    assert main.main([*specs, *where], standalone_mode=False) in (None, 0)


@pytest.mark.parametrize(
    ("environment", "agent", "module"),
    [
        ("Corridor", "LinearQ", "linear_q"),
        ("Coin", "LinearQ", "linear_q"),
        ("Firm", "ConstantSearch", "constant_search"),
    ],
)
def test_a_class_trains_with_the_imports_it_is_told(
    folder: Path, environment: str, agent: str, module: str
) -> None:
    """Where an import has moved, one line says what to write; with that the class trains to the
    end, unchanged otherwise."""
    try:
        train(folder, f"{environment}.json", f"{agent}.json")
    except SpecError as error:
        (line,) = error.lines()
        names = re.search(r"hint: write `from nthrun import ([\w, ]+)`$", line)
        assert names, line
        source = folder / f"{module}.py"
        text = re.sub(
            rf"from [\w.]+ import {names[1]}\n", names[0][13:-1] + "\n", source.read_text()
        )
        assert text != source.read_text()
        source.write_text(text)
        train(folder, f"{environment}.json", f"{agent}.json")
    name = json.loads((folder / f"{environment}.json").read_text())["env_name"].split(":")[-1]
    (run,) = (entry.load(()) for entry in open_data(folder / f"save/{name}_{agent}").entries)
    assert (run["status"], run["total_timesteps"]) == ("completed", SHORT["total_timesteps"])
