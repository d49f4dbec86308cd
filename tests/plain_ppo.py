"""PPO in plain PyTorch, as somebody has it who has never heard of nthrun; `train` is for a run."""

import argparse
import csv

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 32), nn.Tanh())
        self.policy, self.value = nn.Linear(32, outputs), nn.Linear(32, 1)

    def forward(self, seen):
        hidden = self.body(seen)
        return Categorical(logits=self.policy(hidden)), self.value(hidden).squeeze(-1)


def advantages(rewards, values, ends, last, gamma=0.99, decay=0.95):
    found, running = torch.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        following = last if t == len(rewards) - 1 else values[t + 1]
        error = rewards[t] + gamma * following * (1 - ends[t]) - values[t]
        running = error + gamma * decay * (1 - ends[t]) * running
        found[t] = running
    return found


def ppo(env_id, learning_rate, clip, seed, steps, finished):
    torch.manual_seed(seed)
    world = gymnasium.make(env_id)
    seen, _ = world.reset(seed=seed)
    model = ActorCritic(world.observation_space.shape[0], int(world.action_space.n))
    optimiser = torch.optim.Adam(model.parameters(), learning_rate)
    earned, length = 0.0, 0
    for first in range(0, steps, 100):
        rows = []
        for step in range(first, first + 100):
            given = torch.from_numpy(np.asarray(seen, np.float32))
            with torch.no_grad():
                policy, value = model(given)
                action = policy.sample()
            seen, reward, terminated, truncated, _ = world.step(int(action))
            earned, length = earned + float(reward), length + 1
            ended = terminated or truncated
            rows.append((given, action, policy.log_prob(action), value, float(reward), ended))
            if ended:
                finished(step + 1, earned, length)
                (seen, _), earned, length = world.reset(), 0.0, 0
        given, action, old, value = (torch.stack([row[n] for row in rows]) for n in range(4))
        with torch.no_grad():
            last = model(torch.from_numpy(np.asarray(seen, np.float32)))[1]
        ends = torch.tensor([float(row[5]) for row in rows])
        advantage = advantages([row[4] for row in rows], value, ends, last)
        for _ in range(4):
            policy, found = model(given)
            ratio = (policy.log_prob(action) - old).exp()
            near = ratio.clamp(1 - clip, 1 + clip)
            gain = torch.minimum(ratio * advantage, near * advantage).mean()
            loss = (found - advantage - value).square().mean() - gain
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model


def train(run):
    ppo(
        run.environment["env_name"],
        **run.setting,
        seed=run.seed,
        steps=run.total_timesteps,
        finished=lambda step, earned, length: run.episode(earned, length),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, kind in (("learning_rate", float), ("clip", float), ("seed", int), ("steps", int)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--out")
    args = parser.parse_args()
    table = [("step", "return")]
    ppo(args.env, args.learning_rate, args.clip, args.seed, args.steps,
        lambda step, earned, length: table.append((step, earned)))  # fmt: skip
    with open(args.out, "w") as file:
        csv.writer(file).writerows(table)
