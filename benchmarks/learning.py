"""What every agent learns in every classic-control environment, with its shipped best setting.

Without options: trains `config/agent/<agent>_classic_best_<environment>.json` on fresh seeds (stage
1) and prints the mean final return with a 95 % interval (Student): the mean return of the episodes
that end in the last tenth of training, weighted by their steps, with the exploring policy.

With --choose it makes those files: of the agent's shipped sweep it trains a sample of the settings
once, the best few of them on more seeds, and writes the best of these. All runs are kept under
results/learning, so that the same command continues where it was stopped.

    python benchmarks/learning.py
    python benchmarks/learning.py --choose
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.registry import AGENTS
from nthrun.errors import SpecError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.planning.machine import cpu_model
from nthrun.records.data import open_data

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
ENVIRONMENTS = {
    "pendulum": "PendulumContinuous-v1",
    "acrobot": "Acrobot-v1",
    "mountaincar": "MountainCarContinuous-v1",
    "cartpole": "ContinuousCartpole-v0",
    "acrobot_discrete": "Acrobot-v1_discrete",
    "mountaincar_discrete": "MountainCar-v0",
    "cartpole_discrete": "CartPole-v1",
}
"""Name in the names of best files -> environment file."""
LAST_SHARE = 0.1
FINALISTS = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """An agent in an environment.

    Attributes:
        agent: its name.
        environment: a key of `ENVIRONMENTS`.
        sweep: the agent's sweep file that fits there.
    """

    agent: str
    environment: str
    sweep: Path

    @property
    def environment_file(self) -> Path:
        """The environment's spec."""
        return CONFIG / "environment" / f"{ENVIRONMENTS[self.environment]}.json"

    @property
    def best(self) -> Path:
        """The file of the chosen setting."""
        return CONFIG / "agent" / f"{self.agent}_classic_best_{self.environment}.json"

    def spec(self, agent_file: Path) -> ExperimentSpec:
        """The experiment with an agent file.

        Raises:
            SpecError: the agent does not fit.
        """
        return read_experiment_spec([str(self.environment_file)], [str(agent_file)])


def pairs(agents: Sequence[str], environments: Sequence[str]) -> Iterator[Pair]:
    """Every agent in every environment that one of its sweeps fits."""
    for environment in environments:
        for agent in agents:
            for name in (f"{agent}_classic_sweep", f"{agent}_discrete_sweep", agent):
                pair = Pair(agent, environment, CONFIG / "agent" / f"{name}.json")
                if pair.sweep.exists() and _fits(pair):
                    yield pair
                    break


def final_returns(
    pair: Pair, agent_file: Path, indices: Sequence[int], stage: int
) -> dict[int, float]:
    """Index -> final return of runs, trained if they are not yet; -inf where a run diverged."""
    save_dir = f"learning/{pair.environment}/{agent_file.stem}"
    command = [sys.executable, "main.py", "--env-json", str(pair.environment_file)]
    command += ["--agent-json", str(agent_file), "--index", format_indices(sorted(indices))]
    command += ["--stage", str(stage), "--save-dir", save_dir, "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
    root = ROOT / pair.spec(agent_file).directory(save_dir)
    found = {}
    for entry in open_data(root).entries:
        run = entry.load(())
        if run["stage"] == stage and run["index"] in indices:
            found[run["index"]] = _final_return(run, pair.spec(agent_file))
    return found


def choose(pair: Pair, sample: int, runs: int, where: Mapping[str, Any]) -> None:
    """Write the best setting of a pair's sweep, of a sample that is the same each time.

    Args:
        runs: of each of the few that did best with one.
        where: hyperparameter -> the only value of it to try.
    """
    sweep = pair.spec(pair.sweep).sweep
    shuffled = np.random.default_rng(0).permutation(sweep.num_settings).tolist()
    order = [n for n in shuffled if where.items() <= dict(sweep.setting(n)).items()][:sample]
    if not order:
        raise click.ClickException(f"{pair.sweep.name}: no setting has {dict(where)}")
    first = final_returns(pair, pair.sweep, order, 0)
    chosen = sorted(order, key=lambda setting: -first[setting])[:FINALISTS]
    indices = [sweep.index(setting, run) for setting in chosen for run in range(runs)]
    returns = final_returns(pair, pair.sweep, indices, 0)
    means = {
        setting: np.mean([returns[sweep.index(setting, run)] for run in range(runs)])
        for setting in chosen
    }
    best = max(means, key=lambda setting: means[setting])
    parameters = json.loads(pair.sweep.read_text())["parameters"]
    setting = sweep.setting(best)
    lines = [f'        "{name}": {json.dumps([setting[name]])}' for name in parameters]
    text = ",\n".join(lines)
    pair.best.write_text(
        f'{{\n    "agent_name": "{pair.agent}",\n    "parameters": {{\n{text}\n    }}\n}}\n'
    )


def _fits(pair: Pair) -> bool:
    try:
        pair.spec(pair.sweep)
    except SpecError:
        return False
    return True


def _final_return(run: dict[str, Any], spec: ExperimentSpec) -> float:
    if run["status"] != "completed":
        return -np.inf
    lengths, returns = run["train_episode_steps"], run["train_episode_rewards"]
    late = np.cumsum(lengths) > (1 - LAST_SHARE) * spec.environment.total_timesteps
    if not late.any():
        return float(returns[-1]) if len(returns) else float("nan")
    return float(np.average(returns[late], weights=lengths[late]))


@click.command()
@click.option("--choose", "choosing", is_flag=True, help="Make the best files from the sweeps.")
@click.option("--agent", "agents", multiple=True, default=tuple(AGENTS), help="Only these.")
@click.option("--environment", "environments", multiple=True, default=tuple(ENVIRONMENTS))
@click.option("--sample", default=16, show_default=True, help="Settings of a sweep to try.")
@click.option("--critic-lr", type=float, help="Try settings with this critic step size only.")
@click.option("--runs", type=int, help="Runs of each best setting, 10; of the best few tried, 3.")
def main(
    choosing: bool,
    agents: tuple[str, ...],
    environments: tuple[str, ...],
    sample: int,
    critic_lr: float | None,
    runs: int | None,
) -> None:
    """Print the mean final return of every pair, or choose its best setting."""
    click.echo(f"{cpu_model()}, {os.cpu_count()} cores")
    for pair in pairs(agents, environments):
        started = time.perf_counter()
        only, known = pair.spec(pair.sweep).sweep.num_settings == 1, pair.best.exists()
        if (only or known) is choosing:
            continue
        if choosing:
            choose(pair, sample, runs or 3, {} if critic_lr is None else {"critic_lr": critic_lr})
            told = "chosen"
        else:
            told = _told(pair, pair.sweep if only else pair.best, runs or 10)
        seconds = time.perf_counter() - started
        click.echo(f"{pair.environment:<21} {pair.agent:<20} {told}   {seconds:6.0f} s")


def _told(pair: Pair, file: Path, runs: int) -> str:
    values = np.array(list(final_returns(pair, file, range(runs), 1).values()))
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{values.mean():9.1f} ± {half:6.1f}"


if __name__ == "__main__":
    main()
