"""Laws of config/: its README tables are the code's, and every file in it is a valid spec."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from generate import agents_page, environments_page, row

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.specs.declaration import AgentDeclaration, EnvironmentDeclaration
from nthrun.specs.documents import flatten
from nthrun.specs.environment_spec import FIELDS, PROTOCOL_KEYS, SERIES
from nthrun.specs.field import Field, plain

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
SPEC_SUFFIXES = (".json", ".yaml", ".yml")
ENVIRONMENT_NAME = Field("env_name", "str", None, "the environment, one of docs/environments.md")


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
    expected = [row(field) for field in (ENVIRONMENT_NAME, *FIELDS)]
    assert rows(readme("environment")) == expected, "\n".join(["it should be:", *expected])


@pytest.mark.parametrize("page", ["agents", "environments"])
def test_the_pages_are_generated(page: str) -> None:
    """docs/agents.md and docs/environments.md are what docs/generate.py writes."""
    text = {"agents": agents_page, "environments": environments_page}[page]()
    assert (ROOT / f"docs/{page}.md").read_text() == text, "python docs/generate.py writes them"


@pytest.mark.parametrize(
    "declared", [*AGENTS.values(), *ENVIRONMENTS.values()], ids=lambda d: d.name
)
def test_everything_says_what_it_is(declared: AgentDeclaration | EnvironmentDeclaration) -> None:
    """Every declaration has a description, and every hyperparameter and field one too."""
    fields = getattr(declared, "hyperparameters", None) or getattr(declared, "fields", ())
    assert declared.doc.endswith(".")
    assert all(field.doc for field in fields)


def test_the_readme_says_which_fields_only_keep_things() -> None:
    """The fields that leave an index's meaning alone are named, and no others."""
    [sentence] = re.findall(r"^Changing (.*?) does not", readme("environment"), re.M | re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == list(PROTOCOL_KEYS)


@pytest.mark.parametrize("agent", specs("agent"), ids=lambda path: path.stem)
def test_every_shipped_agent_file_goes_with_environments(agent: Path) -> None:
    """A shipped agent file is refused only where it cannot act or see, and never everywhere."""
    fitting = 0
    for environment in specs("environment"):
        try:
            fitting += read(environment, agent).sweep.num_settings >= 1
        except SpecError as error:
            assert all(
                re.search("actions|bounds|features", fault.problem) for fault in error.faults
            )
    assert fitting >= 3


@pytest.mark.parametrize("environment", specs("environment"), ids=lambda path: path.stem)
def test_every_shipped_environment_file_goes_with_agents(environment: Path) -> None:
    """Every shipped environment file is accepted with some shipped sweep."""
    accepted = []
    for agent in specs("agent"):
        try:
            accepted.append(read(environment, agent))
        except SpecError:
            continue
    assert len(accepted) >= 3


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
