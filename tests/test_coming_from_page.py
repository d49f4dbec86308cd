"""Commands and names of docs/coming_from.md are those that there are."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from pages import lines
from processes import ROOT

from nthrun.__main__ import commands
from nthrun.agents.registry import AGENTS
from nthrun.commands.best import best
from nthrun.commands.plot import figure_command
from nthrun.commands.run import run
from nthrun.commands.schedule import schedule
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records import schema
from nthrun.specs import environment_spec
from nthrun.specs.search import search_spec

PAGE = ROOT / "docs/coming_from.md"
COMMANDS: dict[str, click.Command] = {
    "main.py": run,
    "schedule.py": schedule,
    "utils/plot_decision_rules.py": figure_command("decision_rules"),
    "-m nthrun best": best,
}
FOLDERS = {"checkpoints", "snapshots", "logs", "summary.json", "parameters", "results"}
SCORES = {"num_runs", "num_lost"}


def command_of(line: str) -> tuple[click.Command, list[str]]:
    """The command of a line and its arguments."""
    for name, command in COMMANDS.items():
        if line.startswith(f"python {name} "):
            return command, shlex.split(line.removeprefix(f"python {name} "))
    raise AssertionError(line)


@pytest.mark.parametrize("line", lines(PAGE.read_text()))
def test_commands_parse(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command is one that there is, with options that there are; those of main.py name specs,
    fields and settings that there are."""
    monkeypatch.chdir(ROOT)
    command, arguments = command_of(line)
    with command.make_context(command.name, list(arguments)):
        pass
    if command is run:
        assert run.main([*arguments, "--describe"], standalone_mode=False) == 0
        assert "index " in capsys.readouterr().out


def known() -> set[str]:
    """Options, fields, hyperparameters, keys of records and summaries, folders."""
    options = {o for command in COMMANDS.values() for p in command.params for o in p.opts}
    of_specs = [*environment_spec.FIELDS, *search_spec.FIELDS]
    of_specs += [f for name in ("GHM", "Bewley") for f in ENVIRONMENTS[name].fields]
    names = ("mc_pg", "euler_quadrature")
    of_specs += [f for name in names for f in AGENTS[name].hyperparameters]
    records = {*schema.INTEGERS, *schema.FLOATS, *schema.TEXTS, *schema.JSON_TEXTS}
    records |= {*schema.OMITTED_FROM_JSON}
    return options | {field.name for field in of_specs} | records | FOLDERS | SCORES


def rows() -> list[list[str]]:
    """The cells of the tables."""
    table = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.M)
    return [[cell.strip() for cell in row.split(" | ")] for row in table if "---" not in row]


def test_names_exist() -> None:
    """Every name in the middle column is an option, a field, a key or a file of this project."""
    keys = set(re.findall(r'"(\w+)": ', (ROOT / "nthrun/analysis/summary.py").read_text()))
    assert {"search_config", "best_config", "success"} <= keys
    names = known() | keys
    for cells in rows():
        for name in re.findall(r"`([^`]+)`", cells[1] if len(cells) > 1 else ""):
            path = name.split()[0]
            command = re.match(r"python -m nthrun (\w+)", name)
            there = (
                command[1] in commands.list_commands(click.Context(commands))
                if command
                else name in names or (ROOT / path).is_file()
            )
            assert there, (name, cells)


def test_the_same_search_space() -> None:
    """The space drawn from has as many settings as the grid, and the page counts them."""
    environment = str(ROOT / "config/environment/GHM_solver.json")
    for name, settings in (("mc_pg_search", 11_664), ("mc_pg_random_search", 10**6)):
        spec = read_experiment_spec([environment], [str(ROOT / f"config/agent/{name}.json")])
        assert spec.sweep.num_settings == settings
        product = 1
        for values in spec.agent.as_document()["parameters"].values():
            product *= len(values)
        assert product == 11_664


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
