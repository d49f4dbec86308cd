"""Laws of users' own classes: what cannot be imported is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

import nthrun
from nthrun.agents.registry import agent_declaration, agent_footprint
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.specs.documents import Document
from nthrun.specs.user_class import user_class


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module that does not exist yet, whose folder is on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return str(tmp_path / f"own_{abs(hash(request.node.name))}.py")


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("from nthrun.specs.no_more import Public", "write `from nthrun import Public`"),
        ("from nthrun.specs.field import Public", "write `from nthrun import Public`"),
        ("from nthrun.specs.field import (Gone)", "import from nthrun itself"),
        ("import nthrun.specs.no_more", "import from nthrun itself"),
        ("import there_is_no_such_package", "modules are looked for in your project"),
    ],
)
def test_an_old_import_is_refused_with_the_new_one(
    write: str, statement: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that nthrun no longer has is one fault, whose hint names the import to write."""
    monkeypatch.setattr(nthrun, "__all__", ["Public"], raising=False)
    Path(write).write_text(f"{statement}\n\n\nclass Own:\n    hyperparameters = ()\n")
    with pytest.raises(SpecError) as refused:
        user_class(f"{Path(write).stem}:Own", "agent_name", "a.json", "hyperparameters", "agent")
    [fault] = refused.value.faults
    assert hint in fault.hint
    assert len(refused.value.lines()) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys\nsys.exit()", "SystemExit"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            "from argparse import ArgumentParser\nArgumentParser().parse_args(['--x'])",
            "SystemExit: 2",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_script_in_the_place_of_a_module_is_refused(
    write: str, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that exits when it is imported, as a script does, is one fault like any other."""
    Path(write).write_text(text)
    with pytest.raises(SpecError) as refused:
        user_class(f"{Path(write).stem}:main", "agent_name", "a.json", "hyperparameters", "agent")
    [line] = refused.value.lines()
    assert f"its module cannot be imported ({reason.strip()}" in line


PENDULUM = {"env_name": "Pendulum-v1", "total_timesteps": 10}
FITS = (
    ("return None", "fails (TypeError"),
    ("return True", "fails (TypeError"),
    ("return ['no']", "gives 'no'"),
    ("yield '', 'problem'", "gives ('', 'problem')"),
    ("yield '', 'problem', None", "gives ('', 'problem', None)"),
    ("raise ValueError('x')", "fails (ValueError: x)"),
    ("raise SystemExit(1)", "fails (SystemExit: 1)"),
)


@pytest.mark.parametrize(("body", "said"), FITS)
def test_fits_gives_misfits_or_is_refused(write: str, body: str, said: str) -> None:
    """A `fits` that gives no misfits as they have to be, or fails, is one fault that says so."""
    Path(write).write_text(
        f"class Own:\n    hyperparameters = ()\n\n    @staticmethod\n"
        f"    def fits(interface, values_of):\n        {body}\n"
    )
    agent = {"agent_name": f"{Path(write).stem}:Own", "parameters": {}}
    with pytest.raises(SpecError) as refused:
        experiment_spec_of(PENDULUM, agent, "a.json")
    [line] = refused.value.lines()
    assert f"its `fits` {said}" in line
    assert "allowed: an iterable of" in line


@pytest.mark.parametrize(
    "attribute",
    [
        *("hyperparameters = None", "hyperparameters = ['x']", "rules = 3", "fits = 3"),
        *("layout = {}", "hyperparameters = (Field('a', 'mapping', {}, 'b'),)"),
    ],
)
def test_attributes_of_an_agent_are_what_they_have_to_be(write: str, attribute: str) -> None:
    """An attribute of an own agent that is of another kind is one fault that names it."""
    Path(write).write_text(
        f"from nthrun import Field\n\n\nclass Own:\n    hyperparameters = ()\n    {attribute}\n"
    )
    document = Document({"agent_name": f"{Path(write).stem}:Own"}, {}, ("a.json",))
    with pytest.raises(SpecError) as refused:
        agent_declaration(document)
    [line] = refused.value.lines()
    assert f"its `{attribute.split(maxsplit=1)[0]}` is" in line


@pytest.mark.parametrize("attribute", ["layout", "footprint"])
def test_a_layout_of_another_kind_is_refused(write: str, attribute: str) -> None:
    """A function that gives no layout is one fault as soon as runs are planned."""
    Path(write).write_text(
        f"class Own:\n    hyperparameters = ()\n\n    @staticmethod\n"
        f"    def {attribute}(setting, interface):\n        return None\n"
    )
    agent = {"agent_name": f"{Path(write).stem}:Own", "parameters": {}}
    spec = experiment_spec_of(PENDULUM, agent, "a.json")
    with pytest.raises(SpecError, match="its layout gives None, allowed: a Layout or"):
        agent_footprint(spec.agent.declaration, {}, spec.environment)
