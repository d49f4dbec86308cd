"""Laws of config/: its README tables are the code's, and every file in it is a valid spec."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import pytest

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.declaration import AgentDeclaration, Field, plain, shown
from nthrun.specs.documents import flatten
from nthrun.specs.environment_spec import FIELDS, PROTOCOL_KEYS, SERIES

CONFIG = Path(__file__).parents[1] / "config"
SPEC_SUFFIXES = (".json", ".yaml", ".yml")
ENVIRONMENT_NAME = Field("env_name", "str", None, "the environment", choices=tuple(ENVIRONMENTS))


def row(field: Field, *more: str) -> str:
    """The line of a README table that says what a field is."""
    default = "required" if field.default is None else f"`{shown(plain(field.default))}`"
    return f"| {' | '.join((f'`{field.name}`', field.allowed(), default, field.doc, *more))} |"


def agent_row(field: Field) -> str:
    """The same for a hyperparameter, with whether it is static."""
    return row(field, "yes" if field.static else "no")


def readme(kind: str) -> str:
    """The text of a folder's README."""
    return (CONFIG / kind / "README.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    """The rows of the tables in a text whose first cell is a name."""
    return [line for line in text.splitlines() if line.startswith("| `")]


def specs(kind: str) -> list[Path]:
    """Every spec in a folder."""
    return sorted(path for path in (CONFIG / kind).rglob("*") if path.suffix in SPEC_SUFFIXES)


def examples(kind: str) -> list[str]:
    """The JSON blocks of a folder's README."""
    return re.findall(r"^```json\n(.*?)^```", readme(kind), re.DOTALL | re.MULTILINE)


def read(environment: Path, agent: Path) -> ExperimentSpec:
    """Read two spec files as the commands do."""
    return read_experiment_spec([str(environment)], [str(agent)])


def test_the_environment_table_is_the_code() -> None:
    """The environment table has one row for each field, in the code's order and words."""
    own = [field for declared in ENVIRONMENTS.values() for field in declared.fields]
    expected = [row(field) for field in (ENVIRONMENT_NAME, *FIELDS, *own)]
    assert rows(readme("environment")) == expected, "\n".join(["it should be:", *expected])


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_the_agent_tables_are_the_code(agent: AgentDeclaration) -> None:
    """Under an agent's name its table has one row for each hyperparameter, as the code has it."""
    _, *sections = readme("agent").split("\n## ")
    [section] = [text for text in sections if text.split("\n", 1)[0] == agent.name]
    expected = [agent_row(field) for field in agent.hyperparameters]
    assert rows(section) == expected, "\n".join(["it should be:", *expected])
    for rule in agent.rules:
        assert f"`{rule.small}` <= `{rule.large}`" in section


def test_the_readme_says_which_fields_only_keep_things() -> None:
    """The fields that leave an index's meaning alone are named, and no others."""
    [sentence] = re.findall(r"^Changing (.*?) does not", readme("environment"), re.M | re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == list(PROTOCOL_KEYS)


@pytest.mark.parametrize(
    ("environment", "agent"),
    list(product(specs("environment"), specs("agent"))),
    ids=lambda path: path.stem,
)
def test_every_shipped_pair_is_accepted(environment: Path, agent: Path) -> None:
    """Every shipped environment file goes with every shipped agent file."""
    assert read(environment, agent).sweep.num_settings >= 1


def test_specs_lie_in_the_two_folders() -> None:
    """Every file under config is a README or a spec of a kind that is read above."""
    known = {*specs("environment"), *specs("agent"), *CONFIG.glob("*/README.md")}
    assert {path for path in CONFIG.rglob("*") if path.is_file()} == known


def test_templates_name_every_field_at_its_default() -> None:
    """The templates name every field in the code's order, at its default where it has one."""
    environment = json.loads((CONFIG / "environment/template.json").read_text())
    expected = {field.name: plain(field.default) for field in (ENVIRONMENT_NAME, *FIELDS)}
    written = dict(flatten(environment))
    assert list(written) == list(expected)
    required = [name for name, default in expected.items() if default is None]
    assert written == expected | {name: written[name] for name in required}
    agent = json.loads((CONFIG / "agent/template.json").read_text())
    fields = AGENTS[agent["agent_name"]].hyperparameters
    defaults = {field.name: [plain(field.default)] for field in fields}
    assert list(agent["parameters"].items()) == list(defaults.items())


@pytest.mark.parametrize("text", examples("environment"))
def test_environment_examples_are_accepted(text: str, tmp_path: Path) -> None:
    """Every example in the environments' README is a spec, alone or over the template."""
    file = tmp_path / "example.json"
    file.write_text(text)
    template = CONFIG / "environment/template.json"
    files = [str(file)] if "env_name" in text else [str(template), str(file)]
    read_experiment_spec(files, [str(CONFIG / "agent/template.json")])


@pytest.mark.parametrize("text", examples("agent"))
def test_agent_examples_are_accepted(text: str, tmp_path: Path) -> None:
    """Every example in the agents' README is a spec of as many settings as it is said to have."""
    file = tmp_path / "example.json"
    file.write_text(text)
    spec = read(CONFIG / "environment/template.json", file)
    said = readme("agent").split(text)[1].split("```\n")[1]
    [number] = re.findall(r"^\s*(\d+) settings?", said)[:1]
    assert spec.sweep.num_settings == int(number)


def test_every_series_can_be_recorded() -> None:
    """The environments' README says what each series of `record` holds."""
    section = readme("environment").split("\n## Series\n")[1].split("\n## ")[0]
    assert re.findall(r"`(\w+)`", " ".join(re.findall(r"^- (.*?):", section, re.M))) == list(SERIES)
