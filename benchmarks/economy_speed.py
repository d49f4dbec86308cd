"""Speed of the economic models' transitions against plain numpy, on one core.

A household-step is one household living one period of the Bewley economy, a firm-path-step one
firm of GHM living one step; decisions are given, and the random numbers are drawn in the time that
is taken. The numpy versions are how these transitions are usually written: float64 arrays over all
households or firms, one call after the other. nthrun's are its environment programs, operation by
operation and compiled. Rounds go from contestant to contestant; medians over rounds are reported,
and the median of each round's ratio.

    python benchmarks/economy_speed.py
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from training_speed import BACKENDS, Contestant, measure

from nthrun.compiler.kernel import Kernel
from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.machine import cpu_model
from nthrun.specs.declaration import load_program
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import EnvironmentSpec, read_environment_spec
from nthrun.training.backends import prepare_torch

NUMPY = "numpy"
BLOCK = 32
SAVED, WORKED = 0.83, 0.9
DIVIDEND, ISSUANCE = 0.5, 0.25


def spec_of(name: str, **fields: object) -> EnvironmentSpec:
    """The spec of an environment."""
    values = {"env_name": name, "total_timesteps": 1000, "steps_per_episode": 1000, **fields}
    return read_environment_spec(Document(values, {}, ("benchmark",)), ENVIRONMENTS[name])


def nthrun_contestant(spec: EnvironmentSpec, episodes: int, units: int, backend: str) -> Contestant:
    """One lane of an environment program, block after block.

    Args:
        episodes: side by side.
        units: of a step.
        backend: "eager" or "compile".
    """
    environment, interface = load_program(spec.declaration.program)(spec), spec.interface
    generator = np.random.default_rng(0)
    state = environment.reset(torch.rand(1, episodes, interface.num_reset_draws))
    action = actions(spec, episodes)

    def step(given: dict[str, Tensor]) -> dict[str, Tensor]:
        outcome = environment.step(given["state"], given["action"], given["draws"])
        return {"state": outcome.state, "reward": outcome.reward, "ended": outcome.terminated}

    examples = {"state": state, "action": action, "draws": drawn(generator, 1, spec, episodes)[0]}
    kernel = Kernel([step], examples, frozenset(("state",))) if backend == "compile" else None
    moving = {"state": state.clone()}

    def advance(num_steps: int) -> int:
        done = 0
        while done < num_steps:
            draws = drawn(generator, BLOCK, spec, episodes)
            if kernel is None:
                for draw in draws:
                    moving["state"] = step({**moving, "action": action, "draws": draw})["state"]
            else:
                inputs = {
                    "action": action.unsqueeze(1).expand(1, BLOCK, *action.shape[1:]).contiguous(),
                    "draws": draws.transpose(0, 1),
                }
                kernel(moving, inputs, np.zeros(BLOCK, np.uint8), range(1))
            done += BLOCK
        return done * units

    return advance


def actions(spec: EnvironmentSpec, episodes: int) -> Tensor:
    """What all households or firms do, `(1, episodes, action_dim)`."""
    given = [DIVIDEND, ISSUANCE]
    if spec.env_name == "Bewley":
        count = spec.integer("households")
        given = [SAVED] * count + [WORKED] * count
    return torch.tensor(given).expand(1, episodes, -1).contiguous()


def drawn(
    generator: np.random.Generator, num_steps: int, spec: EnvironmentSpec, episodes: int
) -> Tensor:
    """Uniform numbers of steps, `(num_steps, 1, episodes, num_step_draws)`."""
    shape = (num_steps, 1, episodes, spec.interface.num_step_draws)
    return torch.from_numpy(generator.random(shape, np.float32))


def numpy_households(spec: EnvironmentSpec) -> Contestant:
    """The Bewley economy's period in numpy."""
    chain, count = chain_of(spec.values), spec.integer("households")
    edges, generator = chain.transition.cumsum(1)[:, :-1], np.random.default_rng(0)
    wealth = 10 * generator.random(count)
    states = generator.choice(len(chain.values), count, p=chain.stationary)

    def advance(num_steps: int) -> int:
        nonlocal wealth, states
        for _ in range(num_steps):
            able = chain.values[states]
            labour, capital = (able * WORKED).mean(), wealth.mean()
            r = 0.33 * (capital / labour) ** (0.33 - 1) - 0.06
            w = (1 - 0.33) * (capital / labour) ** 0.33
            held = w * able * WORKED + (1 + r) * wealth
            consumption = (1 - SAVED) * held
            np.mean(np.log(consumption) - WORKED**3 / 3)
            wealth = SAVED * held
            luck = generator.random(count)
            states = (luck[:, None] >= edges[states]).sum(1)
        return num_steps * count

    return advance


def numpy_firms(spec: EnvironmentSpec, episodes: int) -> Contestant:
    """The firm's step in numpy; a firm that is broke begins again."""
    firm, rules = calibration_of(spec.values), rules_of(spec.values)
    generator = np.random.default_rng(0)
    cash, time_left = 2 * generator.random(episodes), np.full(episodes, rules.num_steps)

    def advance(num_steps: int) -> int:
        nonlocal cash, time_left
        for _ in range(num_steps):
            dividend = np.minimum(DIVIDEND, cash / rules.dt)
            issuance = np.where(rules.issuance_min <= ISSUANCE, ISSUANCE, 0.0)
            raised = np.where(issuance > 0, issuance / firm.issuance_cost - firm.fixed_cost, 0.0)
            variance = (
                firm.sigma_a**2 * cash**2
                - 2 * firm.rho * firm.sigma_a * firm.sigma_x * cash
                + firm.sigma_x**2
            )
            shock = np.sqrt(variance * rules.dt) * generator.standard_normal(episodes)
            growth = firm.alpha + cash * (firm.r - firm.lambda_ - firm.mu)
            following = cash + (growth - dividend + raised) * rules.dt + shock
            present = np.exp(-(firm.r - firm.mu) * rules.dt * (rules.num_steps - time_left))
            over = time_left <= 1
            paid = np.where(following <= 0, 0.0, np.where(over, following, 0.0))
            later = np.exp(-(firm.r - firm.mu) * rules.dt)
            np.mean(present * ((dividend - issuance) * rules.dt + later * paid))
            ended = (following <= 0) | over
            cash = np.where(ended, 1.0, following)
            time_left = np.where(ended, rules.num_steps, time_left - 1)
        return num_steps * episodes

    return advance


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Turns of each contestant.")
@click.option("--side-by-side", multiple=True, type=int, default=(100, 1000), show_default=True)
def main(rounds: int, side_by_side: tuple[int, ...]) -> None:
    """Print one table a model and number of households or firms side by side."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    firm = spec_of("GHM", terminal="cash")
    for number in side_by_side:
        economy = spec_of("Bewley", households=number)
        show(
            f"household-steps of {number} households, millions",
            {
                NUMPY: numpy_households(economy),
                **{f"nthrun, {b}": nthrun_contestant(economy, 1, number, b) for b in BACKENDS},
            },
            rounds,
            1e6,
        )
        show(
            f"firm-path-steps of {number} paths, millions",
            {
                NUMPY: numpy_firms(firm, number),
                **{f"nthrun, {b}": nthrun_contestant(firm, number, number, b) for b in BACKENDS},
            },
            rounds,
            1e6,
        )


def show(title: str, contestants: dict[str, Contestant], rounds: int, unit: float) -> None:
    """Print what contestants do a CPU-second, and its ratio to the first's."""
    speeds = measure(contestants, rounds, BLOCK)
    first = np.array(next(iter(speeds.values())))
    click.echo(f"\n{title} per CPU-second (median), ratio to the first")
    for name, values in speeds.items():
        ratio = statistics.median(np.array(values) / first)
        click.echo(f"  {name:<20} {statistics.median(values) / unit:8.2f} {ratio:8.2f}x")


if __name__ == "__main__":
    main()
