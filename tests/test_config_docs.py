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
from nthrun.specs.documents import flatten, read_document
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


def files(environment: Path) -> list[str]:
    """The files to read for an environment: one that names none is over its family's base."""
    if "env_name" in read_document([environment]).values:
        return [str(environment)]
    family = environment.stem.partition("_")[0]
    return [str(environment.with_stem(f"{family}_base")), str(environment)]


def read(environment: Path, agent: Path) -> ExperimentSpec:
    """Read spec files as the commands do."""
    return read_experiment_spec(files(environment), [str(agent)])


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
    """A shipped agent file is refused only where it cannot act, see or simulate, or where runs are
    too short for it, and never everywhere."""
    fitting = 0
    for environment in specs("environment"):
        try:
            fitting += read(environment, agent).sweep.num_settings >= 1
        except SpecError as error:
            assert all(
                re.search("actions|bounds|features|episodes|solves|game|rollout", fault.problem)
                for fault in error.faults
            )
    solves = AGENTS[json.loads(agent.read_text())["agent_name"]].solves
    assert fitting >= (1 if solves else 3)


def test_the_search_space_of_mc_pg_is_the_whole_product() -> None:
    """The shipped search space of mc_pg has 11,664 settings, all of them different: the product of
    six hyperparameters with three values each and two shapes with four."""
    sweep = read(CONFIG / "environment/GHM.json", CONFIG / "agent/mc_pg_search.json").sweep
    sizes = {key: len(values) for key, values, _ in sweep.digits() if len(values) > 1}
    assert list(sizes.values()) == [3] * 6 + [4] * 2
    assert list(sizes)[-2:] == ["policy_hidden", "value_hidden"]
    settings = {tuple(sweep.setting(number).values()) for number in range(sweep.num_settings)}
    assert len(settings) == sweep.num_settings == 11_664


def test_an_economy_of_little_risk_is_a_few_keys_over_another() -> None:
    """Bewley_low_risk.yaml changes ρ and σ of Bewley_base.yaml and nothing else, which is the
    economy of Bewley.json; the files of other β are it too, but for β."""
    folder, agent = CONFIG / "environment", CONFIG / "agent/euler_quadrature.json"
    names = ("base.yaml", "low_risk.yaml", "beta_0.95.json", "beta_0.975.json")
    usual = read(folder / "Bewley.json", agent).environment.values
    changed = []
    for name in names:
        values = read(folder / f"Bewley_{name}", agent).environment.values
        changed.append({key: value for key, value in values.items() if value != usual[key]})
    assert changed == [
        {},
        {"calibration.rho": 0.6, "calibration.sigma": 0.1},
        {"gamma": 0.95, "calibration.beta": 0.95},
        {"gamma": 0.975, "calibration.beta": 0.975},
    ]


def test_single_settings_are_the_defaults() -> None:
    """The shipped settings of some solvers are their defaults, every one written."""
    worlds = {"euler_quadrature": "Bewley", "egm": "Bewley", "ks_linear": "KrusellSmith"}
    worlds |= dict.fromkeys(("euler_ks", "bellman_ac"), "KrusellSmith")
    for name, world in worlds.items():
        spec = read(CONFIG / f"environment/{world}.json", CONFIG / f"agent/{name}.json")
        assert spec.sweep.num_settings == 1
        fields = AGENTS[name].hyperparameters
        assert spec.sweep.setting(0) == {field.name: field.default for field in fields}


@pytest.mark.parametrize("environment", specs("environment"), ids=lambda path: path.stem)
def test_every_shipped_environment_file_goes_with_agents(environment: Path) -> None:
    """Every shipped environment file is accepted with some shipped sweep; a game is with those of
    agents that play games."""
    accepted: list[ExperimentSpec] = []
    for agent in specs("agent"):
        try:
            accepted.append(read(environment, agent))
        except SpecError:
            continue
    game = any(spec.environment.interface.roles for spec in accepted)
    assert len(accepted) >= (1 if game else 3)


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
