"""Speed of GreedyAC against a plain PyTorch loop: run-steps per CPU-second, in one process.

Same task for all: GreedyAC on Pendulum, hidden layers 64x64, batch 32, 30 proposed actions of which
the actor follows 3, one update after every environment step, replay of 100,000 steps, one thread.
The loop is how such an agent is usually written: `nn.Module`, `torch.optim.Adam`,
`torch.distributions`, a Gymnasium environment; its entropy is the normal variate's before it is
clamped, nthrun's the clamped action's. A run-step is an environment step and an update of
one run. Rounds go from contestant to contestant, so that a change of the machine's speed meets all
of them; medians over rounds are reported, and the median of each round's ratio.

    python benchmarks/greedy_speed.py
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import click
import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from training_speed import Contestant, advancing, installed, measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.agents.registry import AGENTS
from nthrun.environments.registry import ENVIRONMENTS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import cpu_model
from nthrun.planning.packs import packs_of_runs, plan_run
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import Document
from nthrun.specs.environment_spec import read_environment_spec
from nthrun.training.backends import prepare_torch
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.provenance import versions

LOOP = "PyTorch loop"
HIDDEN_DIM, BATCH_SIZE, CAPACITY = 64, 32, 100_000
NUM_PROPOSED, NUM_BEST = 30, 3
CRITIC_LR, ACTOR_LR, ALPHA, TAU, GAMMA = 1e-3, 1e-3, 0.1, 0.01, 0.99
STEPS_PER_EPISODE = 200


def nthrun_contestant(lanes: int, backend: str) -> Contestant:
    """A pack of nthrun's GreedyAC that keeps no files, advanced block by block."""
    environment = {
        "env_name": "Pendulum-v1",
        "total_timesteps": 10**9,
        "steps_per_episode": STEPS_PER_EPISODE,
        "eval_interval_timesteps": 10**9,
    }
    parameters = {"n_rho": [[NUM_PROPOSED, NUM_BEST / NUM_PROPOSED]], "critic_lr": CRITIC_LR}
    parameters |= {"hidden_dim": HIDDEN_DIM, "batch_size": BATCH_SIZE, "alpha": ALPHA, "tau": TAU}
    agent = {"agent_name": "GreedyAC", "parameters": parameters}
    spec = ExperimentSpec(
        read_agent_spec(Document(agent, {}, ("benchmark",)), AGENTS["GreedyAC"]),
        read_environment_spec(
            Document(environment, {}, ("benchmark",)), ENVIRONMENTS["Pendulum-v1"]
        ),
    )
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    return advancing(Training(pack, make_context(spec, backend)), lanes)


def perceptron(num_inputs: int, num_outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(num_inputs, HIDDEN_DIM),
        nn.ReLU(),
        nn.Linear(HIDDEN_DIM, HIDDEN_DIM),
        nn.ReLU(),
        nn.Linear(HIDDEN_DIM, num_outputs),
    )


class Policy(nn.Module):
    """A clamped Gaussian over one action in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = perceptron(3, 2)

    def forward(self, observation: Tensor) -> torch.distributions.Normal:
        """The distribution before it is clamped."""
        mean, log_std = self.network(observation).chunk(2, -1)
        deviation = log_std.clamp(-6.9, 6.9).exp()
        return torch.distributions.Normal(torch.tanh(mean), deviation, validate_args=False)


class PlainGreedyAC:
    """GreedyAC of one run, written plainly."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.random = np.random.default_rng(0)
        self.actor, self.proposal = Policy(), Policy()
        self.proposal.load_state_dict(self.actor.state_dict())
        self.critic, self.target = perceptron(4, 1), perceptron(4, 1)
        self.target.load_state_dict(self.critic.state_dict())
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), CRITIC_LR)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), ACTOR_LR)
        self.proposal_optimiser = torch.optim.Adam(self.proposal.parameters(), ACTOR_LR)
        self.environment = gymnasium.make("Pendulum-v1", max_episode_steps=STEPS_PER_EPISODE)
        self.replay = np.zeros((CAPACITY, 9), np.float32)
        self.count = 0
        self.observation, _ = self.environment.reset(seed=0)

    def advance(self, num_steps: int) -> int:
        """Steps with an update each."""
        for _ in range(num_steps):
            self.step()
            places = self.random.integers(min(self.count, CAPACITY), size=BATCH_SIZE)
            self.update(torch.from_numpy(self.replay[places]))
        return num_steps

    @torch.no_grad()
    def step(self) -> None:
        """Act and store."""
        action = self.actor(torch.from_numpy(self.observation)).sample().clamp(-1.0, 1.0).numpy()
        after, reward, terminated, truncated, _ = self.environment.step(2.0 * action)
        row = np.concatenate((self.observation, action, [reward], after, [terminated]))
        self.replay[self.count % CAPACITY] = row
        self.count += 1
        self.observation = self.environment.reset()[0] if terminated or truncated else after

    def update(self, batch: Tensor) -> None:
        """Critic, target, actor and proposal."""
        s, a, r, s2, d = batch.split((3, 1, 1, 3, 1), -1)
        with torch.no_grad():
            a2 = self.actor(s2).sample().clamp(-1.0, 1.0)
            y = r + GAMMA * (1.0 - d) * self.target(torch.cat((s2, a2), -1))
        error = nn.functional.mse_loss(self.critic(torch.cat((s, a), -1)), y)
        descend(self.critic_optimiser, error)
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
                slow.lerp_(fast, TAU)
            proposed = self.proposal(s).sample((NUM_PROPOSED,)).clamp(-1.0, 1.0)
            states = s.expand(NUM_PROPOSED, -1, -1)
            values = self.critic(torch.cat((states, proposed), -1))
            best = proposed.gather(0, values.topk(NUM_BEST, 0).indices)
        descend(self.actor_optimiser, -self.actor(s).log_prob(best).mean())
        proposal = self.proposal(s)
        likelihood = proposal.log_prob(best).mean()
        entropy = proposal.entropy().mean()
        descend(self.proposal_optimiser, -likelihood - ALPHA * entropy)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step on a loss."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Turns of each contestant.")
@click.option("--lanes", multiple=True, type=int, default=(1, 8, 32), show_default=True)
def main(rounds: int, lanes: tuple[int, ...]) -> None:
    """Print one table."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    click.echo(", ".join(f"{k} {v}" for k, v in (versions() | installed(("gymnasium",))).items()))
    contestants: dict[str, Contestant] = {LOOP: PlainGreedyAC().advance}
    for backend in ("eager", "compile"):
        for count in lanes:
            name = f"nthrun, {backend}, pack of {count}"
            contestants[name] = nthrun_contestant(count, backend)
    speeds = measure(contestants, rounds)
    click.echo(f"\nrun-steps per CPU-second (median), ratio to {LOOP}")
    for name, values in speeds.items():
        ratio = statistics.median(np.array(values) / np.array(speeds[LOOP]))
        click.echo(f"  {name:<28} {statistics.median(values):8.0f} {ratio:8.2f}x")


if __name__ == "__main__":
    main()
