"""A sweep with a pruner, from training to choice: what is good wins, whatever was ended early."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from processes import call

from nthrun.commands.best import best

LUCK = '''
import torch
from nthrun import Field, Interface, Transition, lane_column


class OneStep:
    """An episode of one step, whose reward is the action and standard normal luck."""

    interface = Interface((0.0,), (1.0,), (-1.0,), (1.0,), state_dim=1, num_step_draws=2)
    fields = ()

    def __init__(self, spec): ...

    def reset(self, draws):
        return torch.zeros(*draws.shape[:-1], 1)

    def observe(self, state):
        return state

    def step(self, state, action, draws):
        first, second = draws.clamp(min=1e-6).chunk(2, -1)
        luck = (-2 * first.log()).sqrt() * (2 * torch.pi * second).cos()
        return Transition(state, action + luck, torch.ones_like(state))


class Constant:
    """Plays its quality."""

    hyperparameters = (
        Field("quality", "float", 0.0, "what it plays"),
        Field("num_worlds", "int", 1, "worlds", minimum=1, static=True),
    )
    num_agent_draws, num_replay_draws, replay_capacity = 1, 0, 0

    def __init__(self, statics, environment): ...

    def initial_state(self, settings, gamma, generators):
        return {"quality": lane_column([setting["quality"] for setting in settings])}

    def act_greedily(self, state, observation):
        return state["quality"].unsqueeze(1).expand(-1, observation.shape[1], -1).clone()

    def act(self, state, observation, noise, step):
        return self.act_greedily(state, observation)

    def observe(self, state, experience, step): ...

    def learns_at(self, step):
        return False

    def update(self, state, experience, ended, noise, step):
        return {}

    def learned_params(self, state):
        return {"quality": state["quality"]}
'''
ENVIRONMENT = {
    "env_name": "luck:OneStep",
    "total_timesteps": 60,
    "steps_per_episode": 1,
    "eval_interval_timesteps": 10,
    "eval_episodes": 1,
}
AGENT = {
    "agent_name": "luck:Constant",
    "parameters": {"quality": [0.0, 0.6, 0.7, 0.9], "num_worlds": [5]},
    "search": {"method": "grid", "pruner": "median"},
}


def test_the_worst_does_not_win_for_having_been_spared(tmp_path: Path) -> None:
    """Runs of the worst setting that were trained before there was anything to compare them with
    are all spared, and some of every other setting are ended for their luck: still these rank by
    how good they are, and the worst is the last. What is compared are evaluations at environment
    steps, whatever the number of worlds."""
    (tmp_path / "luck.py").write_text(LUCK)
    for name, content in (("environment", ENVIRONMENT), ("agent", AGENT)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    specs = ["--env-json", "environment.json", "--agent-json", "agent.json", "--backend", "eager"]
    for settings in (["--settings", "0"], []):
        arguments = [*specs, "--save-dir", str(tmp_path / "out"), *settings, "--runs", "5"]
        done = call("main.py", *arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr
    root = tmp_path / "out/OneStep_Constant"
    summary = json.loads((root / "summary.json").read_text())
    results = {result["trial_num"]: result["metrics"] for result in summary["results"]}
    assert list(results) == [3, 2, 1, 0]
    pruned = {number: metrics["num_pruned"] for number, metrics in results.items()}
    assert pruned[0] == 0 and min(pruned[number] for number in (1, 2, 3)) > 0
    assert all(metrics["num_lost"] == 0 for metrics in results.values())
    assert summary["search_config"]["compared_up_to"] == 10
    said = CliRunner().invoke(best, [str(root), "--no-write"]).stdout
    assert "setting 3 is the best of 4\n" in said
    assert f"runs compared: 20, 0 lost, {sum(pruned.values())} pruned" in said
