"""Speed of learning the game of consumers, firms and a government, on one core and on a GPU.

An iteration is an episode of ten steps in every world, and two updates of every role's network. Its
peer is the loop that one would write in plain torch: a module for each role, which sees all that an
agent sees, torch's distributions, and one whole batch an update; the game itself is ours there too.
Rounds go from contestant to contestant; CPU-seconds of the process count, on a GPU seconds.

The environment alone is compared with the same step in numpy, all worlds side by side: choices are
drawn beforehand, and both give the next state and every reward.

    python benchmarks/game_speed.py --environment
    python benchmarks/game_speed.py             # 16 worlds of 10 consumers, 2 firms; packs of 8
    python benchmarks/game_speed.py --full      # 128 worlds of 100 consumers, 10 firms
    python benchmarks/game_speed.py --full --device cuda
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.base import Noise
from nthrun.agents.ppo_types.program import PPOTypes
from nthrun.agents.registry import AGENTS
from nthrun.agents.roles.features import Features
from nthrun.compiler.kernel import Kernel
from nthrun.environments.rbc.grids import alphas, choice_tables, thetas
from nthrun.environments.rbc.program import RBC
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.environments.roles import choices_of
from nthrun.environments.tensors import Constants
from nthrun.planning.machine import cpu_model
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import EnvironmentSpec, read_environment_spec

ROOT = Path(__file__).resolve().parents[1]
SCALES = {"consumer": 5.0, "firm": 30_000.0, "government": 1000.0}
CLIP, ENTROPY, UPDATES = 0.1, 0.5, 2
EPISODES = 12
"""Episodes of a call of compiled steps, which take 120 steps then, about as many as training."""
Contestant = tuple[int, Callable[[], object]]
"""How many runs it stands for, and an iteration of them."""


def spec_of(size: str) -> EnvironmentSpec:
    """A shipped game."""
    document = json.loads((ROOT / f"config/environment/RBC{size}.json").read_text())
    return read_environment_spec(Document(document, {}, ("benchmark",)), ENVIRONMENTS["RBC"])


class PlainLoop:
    """Proximal policy optimisation of all roles, as one would write it."""

    def __init__(self, spec: EnvironmentSpec, worlds: int, device: str) -> None:
        self.game, self.worlds, self.device = RBC(spec), worlds, device
        self.features = {role.name: Features(role) for role in self.game.roles}
        self.nets, self.optimisers = {}, {}
        for role in self.game.roles:
            width = role.observation_dim + 9 * len(role.digits)
            net = nn.Sequential(
                *(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
                nn.Linear(128, sum(role.heads) + 1),
            ).to(device)
            self.nets[role.name] = net
            self.optimisers[role.name] = torch.optim.Adam(net.parameters(), 1e-3)

    def said(self, role: Any, seen: Tensor) -> tuple[list[Categorical], Tensor]:
        """A distribution for each head, and the value."""
        *logits, value = self.nets[role.name](seen).split([*role.heads, 1], -1)
        return [Categorical(logits=part) for part in logits], value[..., 0]

    def seen(self, role: Any, state: Tensor) -> Tensor:
        """Inputs of a role's network."""
        shared, own = self.features[role.name](self.game.observe_role(state, role.name))
        return torch.cat([shared.unsqueeze(2).expand(*own.shape[:3], -1), own], -1)

    def iterate(self) -> None:
        """Play and learn."""
        state = self.game.reset(torch.zeros(1, self.worlds, 0, device=self.device))
        roles = self.game.roles
        kept: dict[str, list[tuple[Tensor, ...]]] = {role.name: [] for role in roles}
        for _ in range(self.game.horizon):
            choices = {}
            with torch.no_grad():
                for role in roles:
                    seen = self.seen(role, state)
                    heads, value = self.said(role, seen)
                    chosen = torch.stack([head.sample() for head in heads], -1)
                    logs = sum(h.log_prob(c) for h, c in zip(heads, chosen.unbind(-1), strict=True))
                    choices[role.name] = chosen.float()
                    kept[role.name].append((seen, chosen, logs, value))
                outcome = self.game.step_roles(state, choices, state[..., :0])
            for role in roles:
                reward = outcome.rewards[role.name] / SCALES[role.name]
                kept[role.name][-1] = (*kept[role.name][-1], reward)
            state = outcome.state
        for role in roles:
            self.learn(role, *(torch.stack(part) for part in zip(*kept[role.name], strict=True)))

    def learn(
        self, role: Any, seen: Tensor, chosen: Tensor, old: Tensor, value: Tensor, reward: Tensor
    ) -> None:
        """The updates of a role."""
        returns, later = torch.zeros_like(reward), torch.zeros_like(reward[0])
        for step in reversed(range(len(reward))):
            later = returns[step] = reward[step] + 0.9999 * later
        smooth = nn.functional.smooth_l1_loss
        for _ in range(UPDATES):
            heads, now = self.said(role, seen)
            logs = sum(h.log_prob(c) for h, c in zip(heads, chosen.unbind(-1), strict=True))
            gap = (returns - now).detach()
            advantage = (gap - gap.mean()) / (gap.std() + 1e-6)
            ratio = (logs - old).exp()
            near = ratio.clamp(1 - CLIP, 1 + CLIP)
            policy = -torch.minimum(ratio * advantage, near * advantage).mean()
            moved = value + (now - value).clamp(-CLIP, CLIP)
            losses = (smooth(v, returns, reduction="none") for v in (now, moved))
            entropy = sum(head.entropy().mean() for head in heads)
            loss = policy + torch.maximum(*losses).mean() - ENTROPY * entropy
            self.optimisers[role.name].zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.nets[role.name].parameters(), 2.0)
            self.optimisers[role.name].step()


def ours(spec: EnvironmentSpec, worlds: int, lanes: int, device: str) -> Callable[[], None]:
    """An iteration of so many runs of ppo_types, side by side."""
    setting = {field.name: field.default for field in AGENTS["ppo_types"].hyperparameters}
    setting |= {"num_worlds": worlds, "reward_scale": tuple(SCALES.values())}
    solver = PPOTypes(setting, spec)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    state = solver.initial_state([setting] * lanes, 0.9999, generators)
    state = {name: tensor.to(device) for name, tensor in state.items()}
    step = torch.tensor(0, device=device)

    def iterate() -> None:
        size = solver.num_simulation_draws
        drawn = np.stack([g.random(size, dtype=np.float32) for g in generators])
        draws = torch.from_numpy(drawn).to(device)
        nothing = draws[:, :0]
        with torch.no_grad():
            solver.solve(state, Noise(nothing, nothing, draws, nothing, nothing), step, 7)

    return iterate


class NumpyGame:
    """The game's step in numpy, float32, of all worlds side by side.

    Args:
        spec: of a game with an importer, without interest.
        worlds: side by side.
        choices: what is chosen, role -> `(steps, worlds, count, heads)`.
    """

    def __init__(self, spec: EnvironmentSpec, worlds: int, choices: dict[str, np.ndarray]) -> None:
        self.choices, self.power = choices, np.float32(1.0 - spec.number("crra"))
        start = RBC(spec).reset(torch.zeros(1, worlds, 0))[0].numpy()
        self.start = np.split(start, np.cumsum(RBC(spec)._sizes)[:-1], 1)
        self.alpha = alphas(spec.values).astype(np.float32)
        self.theta = thetas(spec.values).astype(np.float32)
        consumer, (firm,) = (choice_tables(spec.values, role) for role in ("consumer", "firm"))
        (taxes,) = choice_tables(spec.values, "government")
        self.wanted, self.hours = (consumer[n][:, 0].astype(np.float32) for n in (0, -2))
        self.offers, self.taxes = firm.astype(np.float32), taxes.astype(np.float32)
        self.firms = np.arange(len(self.alpha))
        self.share = np.float32(spec.number("firm_reward_for_government_factor"))

    def episode(self) -> list[tuple[np.ndarray, ...]]:
        """What everybody earns at each step."""
        p, w, stock, _, tax, ftax, _, money, _, own, capital = self.start
        earned = []
        for number in range(len(self.choices["firm"])):
            consumer, firm = (self.choices[role][number] for role in ("consumer", "firm"))
            want, hours = self.wanted[consumer[..., :-2]], self.hours[consumer[..., -2]]
            at = (consumer[..., -1:] == self.firms).astype(np.float32)
            cost, held = (want * p[:, None]).sum(2), np.maximum(money, 0)
            pays = np.where(cost > held, held / np.maximum(cost, 1e-20), 1).astype(np.float32)
            demand = want * pays[..., None]
            total = demand.sum(1)
            left = np.where(total > stock, stock / np.maximum(total, 1e-20), 1).astype(np.float32)
            got = demand * left[:, None]
            sold, worked = got.sum(1), (at * hours[..., None]).sum(1)
            exports = np.where(p >= 500, np.clip(stock - sold, 0, 100), 0)
            gross = p * (sold + exports) - w * worked
            offer = self.offers[firm[..., 0]]
            put = np.maximum(offer[..., 2] * gross, 0)
            profit = gross - put
            levy = ftax * np.maximum(profit, 0)
            income = (at * w[:, None]).sum(2) * hours
            taxed = tax * income
            pot = taxed.sum(1, keepdims=True) + levy.sum(1, keepdims=True)
            money = money + 0.01 - (p[:, None] * got).sum(2) + income - taxed
            money = money + pot / money.shape[1]
            utility = (((1 + got) ** self.power - 1) / self.power).sum(2)
            utility = utility - self.theta / 2 * hours
            kept = profit - levy
            made = 0.01 * capital ** (1 - self.alpha) * worked**self.alpha
            stock = np.maximum(stock - sold - exports, 0) + made
            own, capital = own + kept, capital + put
            p, w = offer[..., 0], offer[..., 1]
            tax, ftax = self.taxes[self.choices["government"][number, :, 0, 0]].T[..., None]
            welfare = utility.sum(1, keepdims=True) + self.share * kept.sum(1, keepdims=True)
            earned.append((utility, kept, welfare))
        return earned


class TensorGame:
    """The environment's own step, operation by operation or compiled.

    Args:
        spec: of the game.
        choices: as of `NumpyGame`, the same for every lane.
        lanes: side by side.
        compiled: whether it is.
    """

    def __init__(
        self, spec: EnvironmentSpec, choices: dict[str, np.ndarray], lanes: int, compiled: bool
    ) -> None:
        self.game, self.lanes = RBC(spec), lanes
        by_role = [choices[role.name] for role in self.game.roles]
        self.steps, worlds = by_role[0].shape[:2]
        joint = np.concatenate([each.reshape(self.steps, worlds, -1) for each in by_role], 2)
        actions = torch.from_numpy(joint.astype(np.float32)).unsqueeze(0)
        actions = actions.repeat(lanes, EPISODES if compiled else 1, 1, 1)
        self.actions = actions.contiguous()
        self.start = self.game.reset(torch.zeros(lanes, worlds, 0))
        self.first = Constants(self.start[:1].clone())
        examples = {"state": self.start[:1], "action": self.actions[:1, 0]}
        self.kernel = Kernel([self.step], examples, frozenset(("state",))) if compiled else None

    def step(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """The next state, which after the last step is the first, and what everybody earns."""
        choices = choices_of(self.game.roles, given["action"])
        done = self.game.step_roles(given["state"], choices, given["state"][..., :0])
        (first,) = self.first.on(done.state.device)
        return {"state": torch.where(done.terminated > 0, first, done.state), **done.rewards}

    def episode(self) -> list[tuple[Tensor, ...]]:
        """What everybody earns at each step of an episode, in all lanes; of `EPISODES` where it is
        compiled, of which the last is given."""
        state = {"state": self.start.clone()}
        names = [role.name for role in self.game.roles]
        if self.kernel is not None:
            variants = np.zeros(self.actions.shape[1], np.uint8)
            found = self.kernel(state, {"action": self.actions}, variants, range(self.lanes))
            last = range(len(variants) - self.steps, len(variants))
            return [tuple(found[name][:, n] for name in names) for n in last]
        earned = []
        for number in range(self.steps):
            done = self.step({**state, "action": self.actions[:, number]})
            state["state"] = done["state"]
            earned.append(tuple(done[name] for name in names))
        return earned


def environment_contestants(spec: EnvironmentSpec, worlds: int) -> dict[str, Contestant]:
    """The environment alone, in numpy and by ours, which agree."""
    generator = np.random.default_rng(0)
    shape = spec.interface.horizon_steps, worlds
    choices = {
        role.name: np.stack(
            [generator.integers(0, size, (*shape, role.count)) for size in role.heads], -1
        )
        for role in spec.interface.roles
    }
    plain = NumpyGame(spec, worlds, choices)
    found: dict[str, Contestant] = {"numpy": (1, plain.episode)}
    for name, lanes, compiled in (
        ("eager, one lane", 1, False),
        ("eager, 8 lanes", 8, False),
        ("compiled, one lane", 1, True),
        ("compiled, 8 lanes", 8, True),
    ):
        ours = TensorGame(spec, choices, lanes, compiled)
        for mine, theirs in zip(ours.episode(), plain.episode(), strict=True):
            for own, peer in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(own[-1], peer, 1e-3, 1e-5 * abs(peer).max())
        found[name] = lanes * (EPISODES if compiled else 1), ours.episode
    return found


def rate(iterate: Callable[[], object], times: int, device: str) -> float:
    """Iterations per CPU-second, or per second on a GPU."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    begun = clock()
    for _ in range(times):
        iterate()
    if device == "cuda":
        torch.cuda.synchronize()
    return times / (clock() - begun)


@click.command()
@click.option("--environment", is_flag=True, help="The environment alone.")
@click.option("--full", is_flag=True, help="The published size.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--rounds", default=5, show_default=True)
@click.option("--times", default=0, help="Iterations of a turn.  [default: 20, or 1 of the full]")
def main(environment: bool, full: bool, device: str, rounds: int, times: int) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    spec, worlds = spec_of("" if full else "_small"), 128 if full else 16
    times = times or (1 if full and device == "cpu" else 20)
    lanes = (1,) if full else (1, 8)
    contestants: dict[str, Contestant] = {}
    if environment:
        contestants = environment_contestants(spec, worlds)
    else:
        contestants["plain loop"] = 1, PlainLoop(spec, worlds, device).iterate
        for number in lanes:
            name = f"ppo_types, {number} side by side"
            contestants[name] = number, ours(spec, worlds, number, device)
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _, iterate in contestants.values():
        iterate()
    for _ in range(rounds):
        for name, (count, iterate) in contestants.items():
            rates[name].append(count * rate(iterate, times, device))
    where = torch.cuda.get_device_name() if device == "cuda" else f"one core of {cpu_model()}"
    unit = "episodes in all worlds" if environment else "iterations"
    print(f"{unit} a {'second' if device == 'cuda' else 'CPU-second'}, {where}, medians:")
    plain = next(iter(rates.values()))
    for name, found in rates.items():
        ratios = [mine / peer for mine, peer in zip(found, plain, strict=True)]
        print(f"{name:28} {statistics.median(found):8.3f}  x {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
