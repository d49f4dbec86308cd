"""The identity of a program tells all that its steps are made of, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from packs import pack_of, small_spec

from nthrun.agents.off_policy import ActorCriticAgent
from nthrun.environments.tensors import Constants
from nthrun.training import program_identity as program_identity_module
from nthrun.training.pack_program import make_program
from nthrun.training.pack_training import train_pack
from nthrun.training.program import Program
from nthrun.training.program_identity import program_identity

ROOT = Path(__file__).parents[2]
EDITS = ("environments/pendulum/program.py", "agents/sac/program.py", "compiler/fusion.py")
TELL = """
import sys
sys.path[:0] = [".", sys.argv[1]]
from training.test_program_identity import program, program_identity
print(program_identity(program()))
"""


def program(environment: dict[str, Any] | None = None, **parameters: Any) -> Program:
    spec = small_spec(environment or {}, {name: [value] for name, value in parameters.items()})
    return make_program(pack_of(spec, [0]), spec)


def test_equal_programs_have_one_identity() -> None:
    """Numbers that are the lanes' own, and what is recorded, do not count."""
    one = program_identity(program())
    assert len(one) == 64
    assert program_identity(program({"record": ["train_states"]})) == one
    assert program_identity(program(critic_lr=0.5)) == one


def test_whatever_a_step_is_made_of_counts() -> None:
    """Statics, rewards, episode lengths, shapes, and each number of each constant."""
    others = [
        program(hidden_dim=9),
        program(batch_size=3),
        program(activation="tanh"),
        program({"steps_per_episode": 7}),
        program({"overwrite_rewards": True, "rewards": {"timestep": -1.0, "goal": 0.0}}),
        program({"overwrite_rewards": True, "rewards": {"timestep": -1.0, "goal": 0.5}}),
        program({"rewards": {"shift": 0.5}}),
        program({"rewards": {"shift": 0.5, "gamma": 0.5}}),
    ]
    for change in (1.0, 1.0 + 2**-23):
        other = program()
        other.agent.constants = Constants(torch.tensor([0.0, change]))  # type: ignore[attr-defined]
        others.append(other)
    identities = [program_identity(each) for each in (program(), *others)]
    assert "" not in identities
    assert len(set(identities)) == len(identities)


def test_what_is_not_known_has_no_identity() -> None:
    """An agent that holds an object of another package is traced by every process."""
    other = program()
    other.agent.held = subprocess.Popen  # type: ignore[attr-defined]
    assert program_identity(other) == ""


def test_a_users_class_has_none() -> None:
    """Nothing is known of what it reads."""
    other = program()
    other.agent_program = "mine.agents:Mine"
    assert program_identity(other) == ""


def test_an_edited_source_leaves_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file is newer than what the process imported, nothing is kept of it."""
    assert program_identity(program())
    newest = max(path.stat().st_mtime for path in (ROOT / "nthrun").rglob("*.py"))
    monkeypatch.setattr("nthrun._IMPORTED_AT", newest)
    assert program_identity(program()) == ""


@pytest.mark.slow
@pytest.mark.parametrize("edited", EDITS)
def test_a_changed_line_counts(edited: str, tmp_path: Path) -> None:
    """One line more in the agent, the environment or the compiler is another program."""
    shutil.copytree(ROOT / "nthrun", tmp_path / "nthrun")

    def age() -> None:
        """Have all files be older than any process that imports them."""
        for path in (tmp_path / "nthrun").rglob("*.*"):
            os.utime(path, (0, 0))

    age()
    command = [sys.executable, "-c", TELL, str(ROOT / "tests")]

    def told() -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    before = told()
    assert before.strip()
    assert told() == before
    path = tmp_path / "nthrun" / edited
    path.write_text(path.read_text() + "\nADDED = 1\n")
    age()
    assert told() != before


@pytest.mark.parametrize(
    "wrap", [lambda f: f, staticmethod, property, partial, cache, wraps(train_pack), Mock]
)
def test_a_replaced_function_is_nobody_s_program(
    wrap: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a function of nthrun's was replaced, by a script that then trains, no kept program
    stands for what it does."""
    assert program_identity(program())
    monkeypatch.setattr(ActorCriticAgent, "of_tests", wrap(program), raising=False)
    assert program_identity(program()) == ""


@pytest.mark.parametrize(("place", "counts"), [("site-packages", False), ("project", True)])
def test_packages_may_be_installed_anywhere(
    place: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions of a package that a cluster's module brings, from a folder of its own, replace
    nothing; those of a folder that is somebody's project do."""
    package = types.ModuleType("brought")
    package.__path__ = [str(tmp_path / place / "brought")]
    monkeypatch.setitem(sys.modules, "brought", package)
    brought = types.FunctionType(program.__code__, {"__name__": "brought"})
    monkeypatch.setattr(ActorCriticAgent, "of_tests", brought, raising=False)
    program_identity_module._is_of_another_place.cache_clear()
    assert (program_identity(program()) == "") == counts


def test_lambdas_are_told_apart() -> None:
    """Two functions without a name of their own count by what they do, on one line or on two."""
    made = [program() for _ in range(4)]
    for each, rule in zip(made, (*_rules(), *_rules()), strict=True):
        each.agent.rule = rule  # type: ignore[attr-defined]
    one, other, one_again, other_again = map(program_identity, made)
    assert one == one_again != other == other_again


def _rules() -> list[Any]:
    return [
        eval(text, {"__name__": "nthrun.rules"}) for text in ("lambda x: x + 1", "lambda x: x + 2")
    ]
