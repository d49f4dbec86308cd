"""Q-learning, linear in the observation. docs/extending.md of nthrun goes through it."""

import torch

from nthrun import Field, fits_discrete, lane_column


class LinearQ:
    """An agent: its state is a dictionary of tensors, a lane of which is a run."""

    hyperparameters = (
        Field("critic_lr", "float", 0.01, "step size", minimum=0),
        Field("epsilon", "float", 0.1, "share of random actions", minimum=0, maximum=1),
    )
    fits = staticmethod(fits_discrete)
    num_agent_draws, num_replay_draws, replay_capacity = 2, 0, 0

    def __init__(self, statics, environment):
        self.observation_dim = environment.observation_dim
        self.num_actions = environment.num_actions

    def initial_state(self, settings, gamma, generators):
        columns = {name: lane_column([s[name] for s in settings]) for name in settings[0]}
        weights = torch.zeros(len(settings), self.observation_dim, self.num_actions)
        return {**columns, "gamma": lane_column([gamma] * len(settings)), "weights": weights}

    def values(self, state, observation):  # (lanes, batch, num_actions)
        return (observation.unsqueeze(-1) * state["weights"].unsqueeze(1)).sum(2)

    def act_greedily(self, state, observation):
        return self.values(state, observation).argmax(-1, keepdim=True).float()

    def act(self, state, observation, noise, step):
        explore, which = torch.erf(noise.agent.abs() / 2**0.5).unsqueeze(1).chunk(2, -1)
        anything = (which * self.num_actions).floor().clamp(max=self.num_actions - 1)
        greedy = self.act_greedily(state, observation)
        return torch.where(explore < state["epsilon"].unsqueeze(1), anything, greedy)

    def observe(self, state, experience, step): ...

    def num_updates_after(self, step):
        return 1

    def update(self, state, experience, ended, noise, step):
        goes_on = state["gamma"] * (1 - experience.terminated[:, 0])
        best = self.values(state, experience.next_observation).amax(-1)
        taken = torch.arange(self.num_actions) == experience.action
        value = (self.values(state, experience.observation) * taken).sum(-1)
        error = experience.reward[:, 0] + goes_on * best - value  # (lanes, 1)
        slope = experience.observation[:, 0, :, None] * taken
        state["weights"].add_((state["critic_lr"] * error).unsqueeze(-1) * slope)
        return {"td_error": error[:, 0]}

    def learned_params(self, state):
        return {"weights": state["weights"]}
