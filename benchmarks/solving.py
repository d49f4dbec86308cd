"""How close solvers of the economic models come to the exact solution, and how long they take.

Every solver is run by index with its shipped spec on several seeds, one run after the other on one
core; for Bewley and Krusell and Smith also with other calibrations, of which none is tuned for. All
runs are kept under results/solving, so that the same command continues where it was stopped.

    python benchmarks/solving.py
    python benchmarks/solving.py --model GHM --runs 2
    python benchmarks/solving.py --model KrusellSmith
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.planning.experiment_spec import read_experiment_spec
from nthrun.planning.machine import cpu_model
from nthrun.records.data import open_data
from nthrun.records.schema import Run

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
POINTS = 100
LINE = ("intercept", "slope")
"""Percentage points."""
ECONOMIES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "β .975": {"calibration.beta": 0.975, "gamma": 0.975},
    "θ 2": {"calibration.theta": 2.0},
    "ρ .9, σ .4": {"calibration.rho": 0.9, "calibration.sigma": 0.4},
    "ρ .98, σ .36": {"calibration.rho": 0.98, "calibration.sigma": 0.36},
    "income taxed at .2, rebated": {"calibration.income_tax": 0.2, "calibration.rebated": True},
}
"""What a Bewley economy differs in from config/environment/Bewley.json."""
CYCLES: tuple[tuple[str, str, dict[str, Any], dict[str, int]], ...] = (
    ("ghh", "KrusellSmith", {}, {"euler_ks": 5, "bellman_ac": 5}),
    ("jedc", "KrusellSmith_jedc", {}, {"euler_ks": 3}),
    (
        "ghh, β .85",
        "KrusellSmith",
        {"gamma": 0.85, "calibration.beta": 0.85},
        {"bellman_ac": 1, "euler_ks": 1},
    ),
    (
        "ghh, σ 1.5",
        "KrusellSmith",
        {"calibration.sigma": 1.5},
        {"bellman_ac": 1, "euler_ks": 1},
    ),
    (
        "ghh, ρ .9",
        "KrusellSmith",
        {"calibration.rho_tfp": 0.9},
        {"bellman_ac": 1, "euler_ks": 1},
    ),
    ("jedc", "KrusellSmith_jedc", {}, {"bellman_ac": 1}),
)
"""Economies with aggregate risk: name, the shipped spec, what differs from it, seeds by agent."""


def trained(environment: dict[str, Any], agent: str, runs: int, save_dir: str) -> list[Run]:
    """The records of an agent's shipped setting on so many seeds, trained if they are not yet."""
    folder = ROOT / "results" / save_dir
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "environment.json"
    spec.write_text(json.dumps(environment))
    agent_file = CONFIG / "agent" / f"{agent}.json"
    command = [sys.executable, "main.py", "--env-json", str(spec), "--agent-json", str(agent_file)]
    command += ["--index", f"0-{runs - 1}", "--save-dir", save_dir, "--device", "cpu"]
    command += ["--workers", "1", "--pack", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
    experiment = read_experiment_spec([str(spec)], [str(agent_file)])
    entries = open_data(ROOT / experiment.directory(save_dir)).entries
    return [entry.load(()) for entry in entries]


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
    """Print how far learned rules are from the exact one, and their laws from its law: the largest
    distance of all states of Z where b₂ is 0, of b₀ and of b₁."""
    click.echo(
        "\n| economy | agent | seeds | largest oracle_gap | oracle_gap_mean | mean K off, % "
        "| law off: b₀, b₁ | seconds |\n|---|---|---|---|---|---|---|---|"
    )
    for title, spec, changes, agents in CYCLES:
        folder = f"solving/{{agent}}/{title}".replace(" ", "_").replace(",", "")
        environment = shipped(spec) | changes
        once = environment | {"total_timesteps": 1, "eval_interval_timesteps": 1}
        exact = trained(once, "ks_linear", 1, folder.format(agent="ks_linear"))
        for agent, number in agents.items():
            found = trained(environment, agent, min(runs, number), folder.format(agent=agent))
            gap, mean, capital = (
                last(found, name) for name in ("oracle_gap", "oracle_gap_mean", "mean_k_gap")
            )
            off = [farthest(found, exact[0], f"law_linear_{term}_") for term in LINE]
            click.echo(
                f"| {title} | {agent} | {len(found)} | {scientific(gap)} | {scientific(mean)} "
                f"| {span(POINTS * capital, 2)} | {off[0]:.4f}, {off[1]:.4f} "
                f"| {seconds(found):.0f} |"
            )


def farthest(found: list[Run], exact: Run, prefix: str) -> float:
    """The largest distance of some runs' last numbers from the exact ones."""
    names = [name for name in exact["eval_metrics"] if name.startswith(prefix)]
    return max(
        float(np.abs(last(found, name) - exact["eval_metrics"][name][-1]).max()) for name in names
    )


def scientific(values: np.ndarray) -> str:
    """All values, the smallest first."""
    return ", ".join(f"{value:.1e}" for value in np.sort(values))


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
