"""Speed of learning the game of consumers, firms and a government, on one core and on a GPU.

An iteration is an episode of ten steps in every world, and two updates of every role's network. Its
peer is the loop that one would write in plain torch: a module for each role, which sees all that an
agent sees, torch's distributions, and one whole batch an update; the game itself is ours there too.
Rounds go from contestant to contestant; CPU-seconds of the process count, on a GPU seconds.

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
from nthrun.environments.rbc.program import RBC
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.machine import cpu_model
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import EnvironmentSpec, read_environment_spec

ROOT = Path(__file__).resolve().parents[1]
SCALES = {"consumer": 5.0, "firm": 30_000.0, "government": 1000.0}
CLIP, ENTROPY, UPDATES = 0.1, 0.5, 2


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


def rate(iterate: Callable[[], None], times: int, device: str) -> float:
    """Iterations per CPU-second, or per second on a GPU."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    begun = clock()
    for _ in range(times):
        iterate()
    if device == "cuda":
        torch.cuda.synchronize()
    return times / (clock() - begun)


@click.command()
@click.option("--full", is_flag=True, help="The published size.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--rounds", default=5, show_default=True)
@click.option("--times", default=0, help="Iterations of a turn.  [default: 20, or 1 of the full]")
def main(full: bool, device: str, rounds: int, times: int) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    spec, worlds = spec_of("" if full else "_small"), 128 if full else 16
    times = times or (1 if full and device == "cpu" else 20)
    lanes = (1,) if full else (1, 8)
    contestants = {"plain loop": (1, PlainLoop(spec, worlds, device).iterate)}
    contestants |= {
        f"ppo_types, {n} side by side": (n, ours(spec, worlds, n, device)) for n in lanes
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _, iterate in contestants.values():
        iterate()
    for _ in range(rounds):
        for name, (count, iterate) in contestants.items():
            rates[name].append(count * rate(iterate, times, device))
    where = torch.cuda.get_device_name() if device == "cuda" else f"one core of {cpu_model()}"
    print(f"iterations a {'second' if device == 'cuda' else 'CPU-second'}, {where}, medians:")
    plain = rates["plain loop"]
    for name, found in rates.items():
        ratios = [mine / peer for mine, peer in zip(found, plain, strict=True)]
        print(f"{name:28} {statistics.median(found):8.3f}  x {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
