"""Commands and names of docs/coming_from.md are those that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from in_process import ended
from pages import lines
from processes import ROOT

import nthrun
from nthrun.__main__ import commands
from nthrun.agents.registry import AGENTS
from nthrun.commands.best import best
from nthrun.commands.combine import combine
from nthrun.commands.convert import convert
from nthrun.commands.plot import figure_command
from nthrun.commands.run import run
from nthrun.commands.schedule import schedule
from nthrun.environments.from_dm_control.declaration import REWARD_THRESHOLD, TASK
from nthrun.environments.from_gymnasium.declaration import FIELD
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.legacy import spec_keys
from nthrun.legacy.agent_files import PAIRS
from nthrun.legacy.differences import DIFFERENCES
from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.records import schema
from nthrun.specs import environment_spec
from nthrun.specs.program_spec import COMMAND_KEYS
from nthrun.specs.search import search_spec

PAGE = ROOT / "docs/coming_from.md"
COMMANDS: dict[str, click.Command] = {
    "main.py": run,
    "schedule.py": schedule,
    "simple_combine.py": combine,
    "utils/plot_decision_rules.py": figure_command("decision_rules"),
    "utils/plot_simulated_path.py": figure_command("simulated_path"),
    "-m nthrun best": best,
    "-m nthrun convert": convert,
}
FOLDERS = {"checkpoints", "snapshots", "runs", "logs", "summary.json", "parameters", "results"}
SCORES = {"num_runs", "num_lost"}
EQUILIBRIUM_KEYS = """
model_number_expd_input model_number_expd_output num_epochs_model n_model_samples a1_scale
model_number_input model_number_output i_pretrainted i_save num_samples_expand_p
num_samples_expand_v num_samples_policy num_samples_value num_epochs_draw num_iter
num_epochs_initial num_epochs_v num_epochs_p n_v_sim n_p_sim batch_size_v batch_size_p x_low x_high
n_input k_dist n_p_output n_v_output n1_p n2_p n1_v n2_v n_input_old k_dist_old n_p_output_old
n_v_output_old n1_p_old n2_p_old n1_v_old n2_v_old lr_factor lr_patience lr_domain lr_initial
lr_value lr_policy num_worker l2_penalty i_training beta sigma alpha psi_l theta_l delta rho_z mu_z
sigma_z lambda_penalty a_pdf_penalty bounds i_punish bound_punish u_eps dist_a_mid dist_a_pdf
dist_a_band dist_a_band_path dist_a_mid_old dist_a_pdf_old dist_a_band_old i_dist dist_z_mid
dist_z_pdf n_tfp tfp_grid tfp_transition rho_tfp eps_tfp eu_samples n_z_sample n_sim_path n_sim_step
n_burn
"""
"""The keys of the equilibrium trainer's configuration."""


GAME_KEYS = """
maxtime initial_firm_endowment initial_consumer_endowment initial_stocks initial_prices
initial_wages interest_rate consumer_theta crra_param production_alpha initial_capital
paretoscaletheta importer_price importer_quantity use_importer labor_floor num_consumers num_firms
num_governments global_state_dim consumer_state_dim firm_state_dim government_state_dim
consumer_action_dim consumer_num_consume_actions consumer_num_work_actions
consumer_num_whichfirm_actions firm_action_dim firm_num_actions government_action_dim
government_num_actions max_possible_consumption max_possible_hours_worked max_possible_wage
max_possible_price consumer_digit_dims firm_digit_dims government_digit_dims consumer_reward_scale
firm_reward_scale government_reward_scale firm_anneal_wages firm_anneal_prices
government_anneal_taxes firm_begin_anneal_action government_begin_anneal_action
consumer_anneal_theta consumer_anneal_entropy firm_anneal_entropy govt_anneal_entropy
consumer_noponzi_eta consumer_penalty_scale firm_noponzi_eta consumer_noponzi_start
firm_noponzi_start firm_training_start government_training_start consumer_training_start
government_counts_firm_reward should_boost_firm_reward firm_reward_for_government_factor
training_schedule_mod consumer_mod_threshold consumer_training_list firm_training_list
government_training_list train_consumers_every train_firms_every train_government_every
consumer_lr_multiple firm_lr_multiple government_lr_multiple batch_size base_seed save_dense_every
save_model_every num_episodes infinite_episodes lr gamma entropy value_loss_weight use_ppo
ppo_num_updates ppo_clip_param clip_grad_norm digit_representation_size lagr_num_steps
boost_firm_reward_factor dirname group --dry-run --experiment-dir --group-name --job-name-base
--num-consumers --num-firms --num-governments --run-only --seed-from-timestamp --ep-strs
--agent-type --repeat-runs --checkpoint-model train_multi_exps.py train_single_exp.py constants.py
hparams.yaml action_arrays.pickle *_param_sweeps
"""
"""The keys, options and files of the simulation of many strategic agents."""
GAME_SECTIONS = (
    "Dependencies",
    "Running Local Jobs",
    "Configuration Dictionaries",
    "Hyperparameter Sweeps",
    "Approximate Best Response Training",
    "What Will Be Saved?",
    "Structure Of Arrays",
    "State Array Layout",
    "What Gets Loaded And Written By BR Code?",
    "Which Hyperparameters Are Managed And Where?",
)
"""The sections of its description."""


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
    of_specs += [field for declared in ENVIRONMENTS.values() for field in declared.fields]
    of_specs += [field for declared in AGENTS.values() for field in declared.hyperparameters]
    options |= {*AGENTS, *ENVIRONMENTS, FIELD.name, TASK.name, REWARD_THRESHOLD.name}
    records = {*schema.INTEGERS, *schema.FLOATS, *schema.TEXTS, *schema.JSON_TEXTS}
    records |= {*schema.OMITTED_FROM_JSON, *nthrun.__all__, *COMMAND_KEYS}
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
                else names.issuperset(name.split("/")) or (ROOT / path).is_file()
            )
            assert there, (name, cells)


def test_every_key_of_the_equilibrium_trainer() -> None:
    """Each of the 84 keys of its configuration has a row, in the left column."""
    told = {name for cells in rows() for name in re.findall(r"`([^`]+)`", cells[0])}
    keys = set(EQUILIBRIUM_KEYS.split())
    assert len(keys) == 84
    assert not keys - told


def test_everything_of_the_simulation_of_many_agents() -> None:
    """Each section, key, option and file of it has a row, in the left column."""
    left = [cells[0] for cells in rows()]
    told = {name for cell in left for name in re.findall(r"`([^`]+)`", cell)}
    assert not {*GAME_KEYS.split()} - told
    for section in GAME_SECTIONS:
        assert any(section in cell for cell in left), section


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


CONVERTED = {"lab.yaml": 36, "app.yaml": 12, "esarsa.json": 6, "sweep.yaml": 50}
"""File of the page -> settings of what it stands for."""


def test_files_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sweep file of the page is converted by the command beneath it, to specs that load."""
    text = PAGE.read_text()
    found = re.findall(r"`([a-z]+\.\w+)`[^`]*(?:`app.py`:|:)\n\n```\w+\n(.*?)```", text, re.S)
    assert {name for name, _ in found} == CONVERTED.keys()
    monkeypatch.chdir(tmp_path)
    for name, content in found:
        Path(name).write_text(content)
        [line] = [line for line in lines(text) if f"convert {name}" in line]
        done = ended(convert, *shlex.split(line)[4:])
        assert done.code == 0, done.err
        agent, environment = done.out.split()
        spec = read_experiment_spec([environment], [agent])
        assert spec.sweep.num_settings == CONVERTED[name]
        assert f"note: {CONVERTED[name]} settings\n" in done.err


def test_links_are_there() -> None:
    """Everything that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link


def test_every_key_of_the_older_tool() -> None:
    """Everything of spec files of the older tool that is read otherwise than it stands has a row,
    in the left column, and so has every difference."""
    left = [cells[0] for cells in rows()]
    told = {name.lower() for cell in left for name in re.findall(r"`([^`]+)`", cell)}
    keys = {*spec_keys.UNUSED_HYPERPARAMETERS, *spec_keys.UNUSED_FIELDS, *spec_keys.AGENT_NAMES}
    keys |= {f"rewards.{key}" for key in (*spec_keys.OF_SUITE, *spec_keys.NOT_OF_SUITE)}
    keys |= {part for parts in PAIRS.values() for part in parts}
    keys |= {name for renamed in spec_keys.RENAMED.values() for name in renamed}
    assert not keys - told
    assert not {one.there for one in DIFFERENCES}.difference(left)
