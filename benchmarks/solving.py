"""How close solvers of the economic models come to the exact solution, and how long they take.

Every solver is run by index with its shipped spec on several seeds, one run after the other on one
core; for Bewley and Krusell and Smith also with other calibrations, of which none is tuned for. All
runs are kept under results/solving, so that the same command continues where it was stopped; beside
them stand the CPU seconds of the processes that trained them.

    python benchmarks/solving.py
    python benchmarks/solving.py --model GHM --runs 2
    python benchmarks/solving.py --model KrusellSmith
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.machine import cpu_model
from nthrun.records.data import open_data
from nthrun.records.experiment import is_experiment, open_experiment
from nthrun.records.schema import Run

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
POINTS = 100
"""Percentage points."""
CPU_FILE = "cpu_seconds.json"
ECONOMIES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "β .975": {"calibration.beta": 0.975, "gamma": 0.975},
    "θ 2": {"calibration.theta": 2.0},
    "ρ .9, σ .4": {"calibration.rho": 0.9, "calibration.sigma": 0.4},
    "ρ .98, σ .36": {"calibration.rho": 0.98, "calibration.sigma": 0.36},
    "income taxed at .2, rebated": {"calibration.income_tax": 0.2, "calibration.rebated": True},
}
"""What a Bewley economy differs in from config/environment/Bewley.json."""


class Distances(NamedTuple):
    """How far a learned rule is from the exact one, or may be.

    Attributes:
        gap, gap_mean: of log K', `oracle_gap` and `oracle_gap_mean`.
        capital: of mean K, as a share of it.
        intercept, slope: of b₀ and b₁ of the log-linear laws, in the worst state of Z.
    """

    gap: float = math.inf
    gap_mean: float = math.inf
    capital: float = math.inf
    intercept: float = math.inf
    slope: float = math.inf


EULER = Distances(gap=2e-3, capital=0.015)
BELLMAN = Distances(gap=5e-3, gap_mean=1e-3, capital=0.03)
TEXTBOOK = Distances(capital=0.01, intercept=0.003, slope=0.001)


@dataclass(frozen=True)
class Cycles:
    """Runs of a learner in an economy with aggregate risk.

    Attributes:
        economy: its name in the table.
        spec: the shipped spec of the environment.
        agent: the shipped one.
        seeds: how many runs.
        target: what is wanted, None where nothing is.
        changes: what the environment differs in from its spec.
        parameters: what the agent differs in from its own.
    """

    economy: str
    spec: str
    agent: str
    seeds: int
    target: Distances | None
    changes: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The agent's name in the table."""
        parts = (f"{name} {value}" for name, value in self.parameters.items())
        return ", ".join((self.agent, *parts))

    def runs(self, most: int) -> tuple[list[Run], Run, float]:
        """The runs of so many seeds at most, that of the exact solution, and the mean CPU seconds
        that one of them took."""
        environment = shipped(self.spec) | self.changes
        once = environment | {"total_timesteps": 1, "eval_interval_timesteps": 1}
        (exact,) = trained(once, "ks_linear", 1, self._folder("ks_linear"))
        folder, number = self._folder(self.title), min(most, self.seeds)
        found = trained(environment, self.agent, number, folder, self.parameters)
        return found, exact, mean_cpu_seconds(folder, number)

    def _folder(self, agent: str) -> str:
        return f"solving/{agent}/{self.economy}".replace(",", "").replace(" ", "_")


OTHERS: dict[str, dict[str, Any]] = {
    "ghh, β .85": {"gamma": 0.85, "calibration.beta": 0.85},
    "ghh, σ 1.5": {"calibration.sigma": 1.5},
    "ghh, ρ .9": {"calibration.rho_tfp": 0.9},
}
"""What economies that nothing was tuned for differ in from config/environment/KrusellSmith.json."""
CYCLES = (
    Cycles("ghh", "KrusellSmith", "euler_ks", 5, EULER),
    Cycles("ghh", "KrusellSmith", "bellman_ac", 5, BELLMAN),
    Cycles("jedc", "KrusellSmith_jedc", "euler_ks", 3, TEXTBOOK),
    *(
        Cycles(name, "KrusellSmith", agent, 1, target, changes)
        for name, changes in OTHERS.items()
        for agent, target in (("euler_ks", EULER), ("bellman_ac", BELLMAN))
    ),
    Cycles("ghh", "KrusellSmith", "bellman_ac", 1, BELLMAN, parameters={"horizon": 30}),
    Cycles("jedc", "KrusellSmith_jedc", "bellman_ac", 1, None),
)


def trained(
    environment: dict[str, Any],
    agent: str,
    runs: int,
    save_dir: str,
    parameters: Mapping[str, Any] | None = None,
) -> list[Run]:
    """The records of an agent's shipped setting on so many seeds, trained if they are not yet.

    Args:
        environment: the spec of the environment.
        agent: name of the shipped agent spec.
        runs: number of seeds.
        save_dir: where they are kept.
        parameters: what differs from the shipped setting.
    """
    folder = ROOT / "results" / save_dir
    folder.mkdir(parents=True, exist_ok=True)
    setting = json.loads((CONFIG / "agent" / f"{agent}.json").read_text())
    setting["parameters"] |= {name: [value] for name, value in (parameters or {}).items()}
    files = [str(folder / "environment.json"), str(folder / "agent.json")]
    for file, content in zip(files, (environment, setting), strict=True):
        Path(file).write_text(json.dumps(content))
    directory = ROOT / read_experiment_spec(files[:1], files[1:]).directory(save_dir)
    begun = is_experiment(directory)
    recorded = open_experiment(directory).inventory().recorded(0) if begun else set()
    command = [sys.executable, "main.py", "--env-json", files[0], "--agent-json", files[1]]
    command += ["--save-dir", save_dir, "--device", "cpu", "--workers", "1", "--pack", "1"]
    for index in sorted({*range(runs)} - recorded):
        train_index(command, folder / CPU_FILE, index)
    return [entry.load(()) for entry in open_data(directory).entries[:runs]]


def train_index(command: list[str], spent: Path, index: int) -> None:
    """Train an index, and add the CPU seconds that it took to those of earlier attempts."""
    begun = children_seconds()
    whole = [*command, "--index", str(index)]
    done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = json.loads(spent.read_text()) if spent.exists() else {}
    seconds[str(index)] = seconds.get(str(index), 0.0) + children_seconds() - begun
    spent.write_text(json.dumps(seconds))
    if done.returncode:
        raise click.ClickException(f"{' '.join(whole)}: {done.stderr.strip()}")


def children_seconds() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def mean_cpu_seconds(save_dir: str, runs: int) -> float:
    """The mean over so many seeds, from the start of a process to its end."""
    spent = json.loads((ROOT / "results" / save_dir / CPU_FILE).read_text())
    return float(np.mean([spent[str(index)] for index in range(runs)]))


def shipped(name: str) -> dict[str, Any]:
    """An environment spec as shipped."""
    content: dict[str, Any] = json.loads((CONFIG / "environment" / f"{name}.json").read_text())
    return content


def show_economies(runs: int) -> None:
    """Print r, how far it is from the exact one, and the Euler residual; of other calibrations than
    the shipped one on two seeds at most."""
    click.echo(
        f"\n{'Bewley':<30} {'agent':<18} {'r %':>14} {'gap, points':>18} {'residual':>9} {'s':>5}"
    )
    for title, changes in ECONOMIES.items():
        for agent in ("egm", "euler_quadrature"):
            environment = shipped("Bewley") | changes | {"record": ["metrics"]}
            if agent == "egm":
                environment |= {"total_timesteps": 1, "eval_interval_timesteps": 1}
            number = 1 if agent == "egm" else min(runs, 2) if changes else runs
            found = trained(
                environment, agent, number, f"solving/{agent}/{title}".replace(" ", "_")
            )
            rate, gap = (POINTS * last(found, name) for name in ("r", "oracle_gap"))
            residual = [
                r["metrics"]["euler_residual"][-500:].mean() for r in found if agent != "egm"
            ]
            click.echo(
                f"{title:<30} {agent:<18} {span(rate, 4):>14} {span(gap, 4):>18} "
                f"{max(residual, default=0.0):9.1e} {seconds(found):5.0f}"
            )


def show_cycles(runs: int) -> None:
    """Print how far learned rules are from the exact one, and their laws from its law: the median
    of the seeds, and the worst of them."""
    click.echo(
        "\n| economy | agent | seeds | on target | oracle_gap | oracle_gap_mean "
        "| mean K off, % | b₀ off | b₁ off | CPU minutes |\n" + "|---" * 10 + "|"
    )
    for cycles in CYCLES:
        found, exact, seconds = cycles.runs(runs)
        distances = [distances_from(run, exact) for run in found]
        gap, mean, capital, intercept, slope = np.array(distances).T
        met = "–" if cycles.target is None else str(number_within(distances, cycles.target))
        click.echo(
            f"| {cycles.economy} | {cycles.title} | {len(found)} | {met} | {both(gap, '.1e')} "
            f"| {both(mean, '.1e')} | {both(POINTS * capital, '.2f')} | {both(intercept, '.4f')} "
            f"| {both(slope, '.4f')} | {seconds / 60:.1f} |"
        )


def distances_from(run: Run, exact: Run) -> Distances:
    """How far the last evaluation of a run is from the exact solution."""
    measures = run["eval_metrics"]
    gaps = (abs(measures[name][-1]) for name in ("oracle_gap", "oracle_gap_mean", "mean_k_gap"))
    return Distances(*gaps, *(farthest(run, exact, term) for term in ("intercept", "slope")))


def farthest(run: Run, exact: Run, term: str) -> float:
    """The largest distance of a term of the log-linear laws, over states of Z."""
    names = [name for name in exact["eval_metrics"] if name.startswith(f"law_linear_{term}_")]
    return max(abs(run["eval_metrics"][n][-1] - exact["eval_metrics"][n][-1]) for n in names)


def number_within(distances: list[Distances], target: Distances) -> int:
    """How many are nowhere farther than a target."""
    return sum(all(np.array(distance) <= target) for distance in distances)


def both(values: np.ndarray, digits: str) -> str:
    """The only value, or the median and the largest."""
    numbers = values if len(values) == 1 else (np.median(values), values.max())
    return ", ".join(f"{number:{digits}}" for number in numbers)


def last(found: list[Run], name: str) -> np.ndarray:
    """A number of the last evaluation of each run."""
    return np.array([run["eval_metrics"][name][-1] for run in found])


def span(values: np.ndarray, digits: int) -> str:
    """The only value, or the lowest and the highest."""
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def seconds(found: list[Run]) -> float:
    """The longest time that a run took."""
    return max(float(run["train_time"] + run["eval_time"]) for run in found)


def show_firms(runs: int) -> None:
    """Print what policies are worth, as shares of the best there can be."""
    click.echo(f"\n{'GHM, dt .1':<12} {'share of the optimum, by evaluation':<40}")
    for agent in ("dp", "barrier", "mc_pg"):
        environment = shipped("GHM_solver")
        if agent != "mc_pg":
            environment |= {"total_timesteps": 1, "eval_interval_timesteps": 1}
            environment |= {"eval_episodes": 10_000}
        found = trained(environment, agent, runs if agent == "mc_pg" else 1, f"solving/{agent}")
        for run in found:
            worth = run["eval_episode_rewards"].mean(1)
            share = worth / (worth + run["eval_metrics"]["oracle_gap"])
            steps = run["timesteps_at_eval"]
            shown = {int(s): f"{x:.1%}" for s, x in zip(steps, share, strict=True)}
            chosen = list(shown)[:: max(1, len(shown) // 10)]
            line = ", ".join(f"{step}: {shown[step]}" for step in chosen)
            click.echo(f"{agent:<12} {line}; best {share.max():.1%}; {seconds([run]):.0f} s")


MODELS: dict[str, Callable[[int], None]] = {
    "Bewley": show_economies,
    "KrusellSmith": show_cycles,
    "GHM": show_firms,
}


@click.command()
@click.option("--model", type=click.Choice(list(MODELS)), help="Only this one.")
@click.option("--runs", default=5, show_default=True, help="Seeds of each.")
def main(model: str | None, runs: int) -> None:
    """Print one table a model."""
    click.echo(f"{cpu_model()}, one core")
    for name, show in MODELS.items():
        if model in (None, name):
            show(runs)


if __name__ == "__main__":
    main()
