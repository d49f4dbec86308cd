import torch

from nthrun.agents.base import lane_column
from nthrun.agents.mc_pg.hyperparameters import fits_episodes
from nthrun.specs.declaration import load_program
from nthrun.specs.field import Field
from nthrun.specs.footprint import AgentFootprint


class ConstantSearch:
    solves = True
    hyperparameters = (
        Field("width", "float", 0.1, "size of a change, as a share of the range", above=0),
        Field("episodes", "int", 200, "episodes of a trial", minimum=1, static=True),
    )
    fits = staticmethod(fits_episodes)

    @staticmethod
    def footprint(setting, interface):
        resets, steps = interface.num_reset_draws, interface.num_step_draws
        draws = setting["episodes"] * (resets + interface.horizon_steps * steps)
        return AgentFootprint(
            state_bytes=4 * (1 + interface.action_dim),
            learned_bytes=4 * interface.action_dim,
            replay_capacity=0,
            replay_row_bytes=0,
            num_agent_draws=interface.action_dim,
            num_replay_draws=0,
            num_metrics=1,
            update_bytes=4 * draws + 400 * setting["episodes"],
            acting_bytes=8 * interface.action_dim,
            num_simulation_draws=draws,
        )

    def __init__(self, statics, environment):
        interface = environment.interface
        self.world = load_program(environment.declaration.program)(environment)
        self.episodes, self.steps = statics["episodes"], interface.horizon_steps
        self.sizes = interface.num_reset_draws, interface.num_step_draws
        self.low = torch.tensor(interface.action_low)
        self.high = torch.tensor(interface.action_high)
        self.num_simulation_draws = self.episodes * (self.sizes[0] + self.steps * self.sizes[1])
        self.num_agent_draws = interface.action_dim

    def initial_state(self, settings, gamma, generators):
        middle = (self.low + self.high) / 2
        return {
            "width": lane_column([s["width"] for s in settings]),
            "action": middle.expand(len(settings), -1).clone(),
        }

    def mean_return(self, action, draws):  # (lanes,)
        lanes, first = len(draws), self.episodes * self.sizes[0]
        starts = draws[:, :first].reshape(lanes, self.episodes, self.sizes[0])
        shocks = draws[:, first:].reshape(lanes, self.steps, self.episodes, self.sizes[1])
        world, earned, running = self.world.reset(starts), 0.0, 1.0
        for shock in shocks.unbind(1):
            outcome = self.world.step(world, action.expand(-1, self.episodes, -1), shock)
            earned = earned + running * outcome.reward
            running = running * (1 - outcome.terminated)
            world = outcome.state
        return earned[..., 0].sum(1) / self.episodes

    def solve(self, state, noise, step):
        change = state["width"] * (self.high - self.low) * noise.agent
        tried = torch.minimum(torch.maximum(state["action"] + change, self.low), self.high)
        first, second = (
            self.mean_return(action.unsqueeze(1), noise.environment)
            for action in (state["action"], tried)
        )
        better = (second > first).unsqueeze(1)
        state["action"] = torch.where(better, tried, state["action"])
        return {"return": torch.maximum(first, second)}

    def act_greedily(self, state, observation):
        return state["action"].unsqueeze(1).expand(-1, observation.shape[1], -1)

    def measures(self, state):
        return {}  # what an evaluation may say of the solution beside its return

    def learned_params(self, state):
        return {"action": state["action"]}
