import numpy as np

from nthrun.specs.interface import Interface


class Coin:
    interface = Interface(observation_low=(0.0,) * 2, observation_high=(1.0,) * 2, num_actions=2)
    on_host = True

    def __init__(self, spec):
        self.flips = None

    def reset(self, seed):
        self.flips = np.random.default_rng(seed)
        self.odds = self.flips.random()
        return np.zeros(2, np.float32)

    def step(self, action):
        side = int(self.flips.random() < self.odds)
        seen = np.array([side == 0, side == 1], np.float32)
        return seen, float(action[0] == side), False, False  # reward, terminated, truncated
