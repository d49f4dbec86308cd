"""Speed of learning the economy of Krusell and Smith against the published loop, on one core.

A household-step is one household living one period within an update of the policy, forward and with
its gradient. The published loop is restated here in plain torch: a batch of 128 states, each one
household with a distribution of its own over 10 bins, lives 50 periods. Every period the transition
of the distribution is found by asking the policy, at both ends of every bin and at the lowest and
the highest productivity, once for every pair of bins: 400 calls of the policy a period, which are
most of its time. Beside it stands the same with all pairs in one call. Rounds go from contestant to
contestant; medians over rounds are reported.

    python benchmarks/krusell_smith_speed.py
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import click
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from training_speed import Contestant, advancing

from nthrun.agents.bellman_ac.declaration import horizon_of
from nthrun.agents.registry import AGENTS
from nthrun.environments.krusell_smith.calibration import ChosenLabourCalibration
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

PUBLISHED = ChosenLabourCalibration()
BINS, PERIODS, BATCH = 10, 50, 128
STEPS = 8
"""Steps of a learner's turn."""
LOWEST, WIDTH = 0.18, 0.1
Z_LOW, Z_HIGH, A_HIGH = 0.7, 2.0, 1.52
TFP = (0.7865, 0.9231, 1.0834, 1.2715)
SIGMA_Z = 0.05


class PublishedLoop(nn.Module):
    """One update of the policy as the published code does it: 13-24-24-1 nets, ReLU.

    Args:
        at_once: whether the questions about all pairs of bins are one call, as they are not there.
    """

    def __init__(self, at_once: bool) -> None:
        super().__init__()
        self.at_once = at_once
        self.policy = nn.Sequential(*_layers(), nn.Sigmoid())
        self.value = nn.Sequential(*_layers())
        self.optimiser = torch.optim.Adam(self.policy.parameters(), 1e-3, weight_decay=1e-5)
        self.edges = LOWEST + WIDTH * torch.arange(BINS + 1)
        self.middles = (self.edges[1:] + self.edges[:-1]) / 2

    def update(self) -> int:
        """Live 50 periods, change the policy; household-steps taken."""
        z, a = self._productivity(BATCH), A_HIGH * torch.rand(BATCH)
        tfp = torch.tensor(TFP)[torch.randint(4, (BATCH,))]
        shares = torch.rand(BATCH, BINS)
        shares = shares / shares.sum(1, keepdim=True)
        enjoyed = torch.zeros(BATCH)
        for period in range(PERIODS):
            income, r = self._market(shares @ self.middles, tfp, z)
            saved = A_HIGH * self._decide(self.policy, tfp, z, a, shares)
            consumption = ((1 + r) * a + income - saved).clamp(min=1e-3)
            enjoyed = enjoyed - PUBLISHED.beta**period / consumption
            shares = self._following(tfp, shares)
            z, a = self._productivity(BATCH), saved
        left = self._decide(self.value, tfp, z, a, shares)
        loss = -(enjoyed + PUBLISHED.beta**PERIODS * left).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return BATCH * PERIODS

    def _market(self, capital: Tensor, tfp: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Income net of the disutility of labour, and r."""
        theta, psi, alpha = PUBLISHED.theta, PUBLISHED.psi, PUBLISHED.alpha
        base = tfp * (1 - alpha) * capital**alpha * psi ** (alpha / theta)
        w = base ** (theta / (theta + alpha))
        labour = (w / psi) ** (1 / theta)
        r = alpha * tfp * (capital / labour) ** (alpha - 1) - PUBLISHED.delta
        return theta / (1 + theta) * w * z * (w * z / psi) ** (1 / theta), r

    def _following(self, tfp: Tensor, shares: Tensor) -> Tensor:
        """The distribution of the next period, by inverting a policy that is a line in z."""
        below = self._below_at_once if self.at_once else self._below_one_by_one
        moving = (below(tfp, shares, self.edges[1:]) - below(tfp, shares, self.edges[:-1])).clamp(
            min=0.0
        ) + 1e-6
        moving = moving / moving.sum(2, keepdim=True)
        return (shares.unsqueeze(1) @ moving).squeeze(1)

    def _below_one_by_one(self, tfp: Tensor, shares: Tensor, edges: Tensor) -> Tensor:
        """The probability that one of each bin saves less than each edge, `(batch, bins, bins)`."""
        rows = [
            torch.stack([self._below(tfp, shares, owned.expand_as(tfp), edge) for edge in edges], 1)
            for owned in self.middles
        ]
        return torch.stack(rows, 1)

    def _below_at_once(self, tfp: Tensor, shares: Tensor, edges: Tensor) -> Tensor:
        """The same, asked for all pairs of bins at once."""
        batch = (BATCH, BINS, BINS)
        return self._below(
            tfp.view(BATCH, 1, 1).expand(batch),
            shares.view(BATCH, 1, 1, BINS).expand(*batch, BINS),
            self.middles.view(1, BINS, 1).expand(batch),
            edges.expand(batch),
        )

    def _below(self, tfp: Tensor, shares: Tensor, owned: Tensor, edge: Tensor) -> Tensor:
        """The probability of saving less than an edge: two questions."""
        low, high = (
            A_HIGH * self._decide(self.policy, tfp, torch.full_like(tfp, z), owned, shares)
            for z in (Z_LOW, Z_HIGH)
        )
        crossing = Z_LOW + (edge - low) / (high - low + 1e-6) * (Z_HIGH - Z_LOW)
        deviations = crossing.clamp(Z_LOW, Z_HIGH).log() / SIGMA_Z
        return 0.5 * (1 + torch.erf(deviations / 2**0.5))

    @staticmethod
    def _decide(net: nn.Module, tfp: Tensor, z: Tensor, a: Tensor, shares: Tensor) -> Tensor:
        own = torch.stack([tfp, (z - Z_LOW) / (Z_HIGH - Z_LOW), a / A_HIGH], -1)
        said: Tensor = net(torch.cat([own, shares], -1)).squeeze(-1)
        return said

    @staticmethod
    def _productivity(number: int) -> Tensor:
        return torch.exp(SIGMA_Z * torch.randn(number)).clamp(Z_LOW, Z_HIGH)


def _layers() -> list[nn.Module]:
    return [nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1)]


def learner(lanes: int, **parameters: object) -> tuple[Contestant, int]:
    """A pack of bellman_ac with given hyperparameters; and the household-steps of one step."""
    document = Document(
        {"agent_name": "bellman_ac", "parameters": {name: [v] for name, v in parameters.items()}},
        {},
        ("benchmark",),
    )
    values = {"env_name": "KrusellSmith", "total_timesteps": 10**6, "steps_per_episode": 100}
    environment = read_environment_spec(
        Document(values | {"eval_episodes": 0}, {}, ("benchmark",)), ENVIRONMENTS["KrusellSmith"]
    )
    spec = ExperimentSpec(read_agent_spec(document, AGENTS["bellman_ac"]), environment)
    runs = [plan_run(spec, index, 0) for index in range(lanes)]
    (pack,) = packs_of_runs(runs, spec.agent.declaration.static_names(), lanes)
    setting = runs[0].setting
    horizon = horizon_of(setting, environment.interface.discount)
    steps = setting["num_worlds"] * setting["num_households"] * horizon
    return advancing(Training(pack, make_context(spec)), lanes), steps


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns of each contestant.")
def main(rounds: int) -> None:
    """Print household-steps with gradient per CPU-second."""
    prepare_torch(1)
    click.echo(f"{cpu_model()}, one thread, {rounds} rounds")
    torch.manual_seed(0)
    small = {"num_worlds": 8, "num_households": 8}
    learners = {
        "bellman_ac, as shipped": learner(1),
        "bellman_ac, 64 x 64, 30 periods": learner(1, num_worlds=64, num_households=64, horizon=30),
        "bellman_ac, 8 x 8": learner(1, **small),
        "bellman_ac, 8 x 8, pack of 8": learner(8, **small),
    }
    peers = {"published loop": PublishedLoop(False), "all pairs at once": PublishedLoop(True)}
    speeds: dict[str, list[float]] = {name: [] for name in (*peers, *learners)}
    for _ in range(rounds):
        for name, peer in peers.items():
            begin = time.process_time()
            done = peer.update()
            speeds[name].append(done / (time.process_time() - begin))
        for name, (advance, steps) in learners.items():
            begin = time.process_time()
            done = steps * advance(STEPS)
            speeds[name].append(done / (time.process_time() - begin))
    for name, values in speeds.items():
        click.echo(f"  {name:<32} {statistics.median(values):12.0f}")


if __name__ == "__main__":
    main()
