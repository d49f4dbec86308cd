"""The exact laws of motion of the economies of Krusell and Smith, and how long they take to find.

Every shipped spec is solved on the default grids, on one core and without the cache, and the
solution is measured; then some other calibrations. Prints the tables of docs/economies.md.

    python benchmarks/law_of_motion.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.environments.krusell_smith.classical import Grids, solved
from nthrun.environments.krusell_smith.declaration import economy_of
from nthrun.environments.krusell_smith.evaluation import evaluated
from nthrun.environments.krusell_smith.law import curved_by_default
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.machine import cpu_model
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec

NAME = "KrusellSmith"
ECONOMIES: dict[str, dict[str, Any]] = {
    "ks98": {"preset": "ks98"},
    "jedc": {"preset": "jedc"},
    "ghh": {},
    "ghh, the four states": {
        "calibration.tfp_values": (0.7865, 0.9231, 1.0834, 1.2715),
        "calibration.tfp_transition": (
            *(0.9968, 0.0032, 0.0, 0.0),
            *(0.0004, 0.9984, 0.0012, 0.0),
            *(0.0, 0.0012, 0.9984, 0.0004),
            *(0.0, 0.0, 0.0032, 0.9968),
        ),
    },
    "ghh, β = .85": {"gamma": 0.85, "calibration.beta": 0.85},
    "ghh, σ = 1.5": {"calibration.sigma": 1.5},
    "ghh, ρ = .9": {"calibration.rho_tfp": 0.9},
}
"""What each differs in from the default."""


def found_of(values: Mapping[str, Any]) -> tuple[dict[str, float], float, int]:
    """The measures of an economy's solution, the CPU-seconds to find it, and the states of Z."""
    document = {"env_name": NAME, "total_timesteps": 1, "steps_per_episode": 1} | dict(values)
    spec = read_environment_spec(Document(document, {}, ("benchmark",)), ENVIRONMENTS[NAME])
    economy = economy_of(spec.values)
    curved = curved_by_default(economy)
    started = time.process_time()
    solution = solved(economy, curved, Grids())
    seconds = time.process_time() - started
    measures = evaluated(economy, solution.rule(economy), curved, solution.exact).measures
    return measures, seconds, economy.num_states


def law_of(measures: Mapping[str, float], state: int) -> str:
    """b₀, b₁ and perhaps b₂ of a state."""
    terms = [measures[f"law_{term}_{state}"] for term in ("intercept", "slope", "curvature")]
    return ", ".join(f"{term:.5f}" for term in terms if term != 0)


@click.command()
@click.option("--economy", type=click.Choice(list(ECONOMIES)), help="Only this one.")
def main(economy: str | None) -> None:
    """Print the laws by state of Z, then what is measured of each economy."""
    click.echo(f"{cpu_model()}, one core\n")
    found = {
        name: found_of(values) for name, values in ECONOMIES.items() if economy in (None, name)
    }
    click.echo("| economy | state of Z | law: b₀, b₁, b₂ |\n|---|---|---|")
    for name, (measures, _, num_states) in found.items():
        for state in range(num_states):
            click.echo(f"| {name} | {state} | {law_of(measures, state)} |")
    click.echo(
        "\n| economy | pooled: 1, log K, log Z | R² | forecast error, mean and largest "
        "| mean K, sd | mean Euler residual | Gini | seconds |\n|---|---|---|---|---|---|---|---|"
    )
    for name, (measures, seconds, _) in found.items():
        m = measures
        click.echo(
            f"| {name} | {m['law_intercept']:.5f}, {m['law_slope']:.5f}, {m['law_slope_z']:.5f} "
            f"| {m['law_r_squared']:.7f} | {m['dh_mean']:.3%}, {m['dh_max']:.2%} "
            f"| {m['capital_mean']:.4f}, {m['capital_sd']:.4f} | {m['euler_residual']:.1e} "
            f"| {m['gini_wealth']:.3f} | {seconds:.1f} |"
        )


if __name__ == "__main__":
    main()
