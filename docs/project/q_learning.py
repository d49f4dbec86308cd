"""Tabular Q-learning in a corridor: the goal is its right end, and steps go astray now and then."""

import numpy as np


def train(run):
    """Learn for as long as the environment's spec says, and report each episode."""
    cells, slip = run.environment["cells"], run.environment["slip"]
    rng = np.random.default_rng(run.seed)
    values, place, steps = np.zeros((cells, 2)), 0, 0
    if run.saved:  # an interrupted run goes on from what it saved last
        values, rng.bit_generator.state = run.saved["values"], run.saved["rng"]
    for step in range(run.saved.step, run.total_timesteps):
        greedy = rng.random() >= run.setting["epsilon"]
        action = int(values[place].argmax()) if greedy else int(rng.integers(2))
        right = (action == 1) != (rng.random() < slip)
        after = max(place + (1 if right else -1), 0)
        target = -1.0 + (values[after].max() if after < cells else 0.0)
        error = target - values[place, action]
        values[place, action] += run.setting["step_size"] * error
        place, steps = after, steps + 1
        if place == cells:
            run.episode(-float(steps), steps)
            place = steps = 0
        if (step + 1) % 100 == 0:
            run.metric(step + 1, error=abs(error))
        if run.time_to_save:
            run.save(step + 1, {"values": values, "rng": rng.bit_generator.state})
    run.learned_params = {"values": values}
