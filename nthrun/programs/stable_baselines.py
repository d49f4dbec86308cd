"""Algorithms of Stable-Baselines3 as programs: `"agent_name": "sb3:PPO"`.

The environment is any of Gymnasium's, with `kwargs` and `wrappers` of the environment's spec. A run
goes on from weights, optimisers and, of algorithms that have one, the replay; its episode begins
anew. This module is imported by the process of a run alone.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from nthrun.environments.from_gymnasium.declaration import wrapped
from nthrun.specs.algorithm_spec import PREFIX, algorithm_of

POLICY = "policy"
ENVIRONMENT_KEYS = (
    *("env_name", "platform", "kwargs", "wrappers", "num_envs", "steps_per_episode", "gamma"),
    *("total_timesteps", "eval_interval_timesteps", "eval_episodes"),
    "checkpoint_interval_seconds",
)
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
EVAL_INTERVAL_STEPS = 10_000


def train(run: Any) -> None:
    """Train an algorithm: the program of every spec that names one."""
    name = run.agent_name
    _require_environment(run.environment)
    environment = _vectorised(run, run.seed if not run.saved else run.seeds(1)[0])
    model = algorithm_of(name)(
        env=environment, seed=run.seed, device=run.device, **_arguments(run, algorithm_of(name))
    )
    if run.saved:
        _restore(model, run.saved)
    model.set_logger(Logger(None, [Metrics(run, model)]))
    remaining = run.total_timesteps - model.num_timesteps
    if remaining > 0:
        model.learn(remaining, callback=Reports(run), reset_num_timesteps=not run.saved)
    environment.close()
    run.learned_params = model.policy.state_dict()


def _require_environment(environment: Mapping[str, Any]) -> None:
    """Check the keys of an environment's spec.

    Raises:
        ValueError: one says nothing to Stable-Baselines3.
    """
    for key in environment:
        if key not in ENVIRONMENT_KEYS:
            allowed = ", ".join(ENVIRONMENT_KEYS)
            raise ValueError(f"environment: unknown key {key} for {PREFIX}, allowed: {allowed}")


def _arguments(run: Any, algorithm: Any) -> dict[str, Any]:
    """The keyword arguments of the algorithm: those of the setting, dotted ones nested."""
    arguments: dict[str, Any] = {POLICY: "MlpPolicy"}
    if "gamma" in run.environment and "gamma" in inspect.signature(algorithm.__init__).parameters:
        arguments["gamma"] = run.environment["gamma"]
    for dotted, value in run.setting.items():
        *parents, leaf = dotted.split(".")
        target = arguments
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = tuple(value) if leaf == "train_freq" and isinstance(value, list) else value
    return arguments


def _made(environment: Mapping[str, Any], num_steps: int) -> Any:
    """One environment of Gymnasium's, wrapped as its spec says."""
    steps = num_steps if num_steps > 0 else None
    made = gymnasium.make(
        environment["env_name"], max_episode_steps=steps, **environment.get("kwargs", {})
    )
    return Monitor(wrapped(made, environment.get("wrappers", ())))


def _vectorised(run: Any, seed: int, num_envs: int | None = None) -> Any:
    number = run.environment.get("num_envs", 1) if num_envs is None else num_envs
    length = int(run.environment.get("steps_per_episode", 0))
    vectorised = DummyVecEnv([lambda: _made(run.environment, length)] * number)
    vectorised.seed(seed)
    return vectorised


class Reports(BaseCallback):  # type: ignore[misc]
    """Reports episodes and evaluations, and saves between rollouts.

    Args:
        run: whose.
    """

    def __init__(self, run: Any) -> None:
        super().__init__()
        self._run = run
        self._episodes = int(run.environment.get("eval_episodes", 0))
        self._interval = int(run.environment.get("eval_interval_timesteps", EVAL_INTERVAL_STEPS))
        self._due = self._saved_at = 0
        self._world: Any = None

    def _on_training_start(self) -> None:
        self._saved_at = self.num_timesteps
        self._due = (self.num_timesteps // self._interval + 1) * self._interval
        if self._episodes:
            self._world = _vectorised(self._run, self._run.seeds(2)[1], num_envs=1)
        if self.num_timesteps == 0:
            self._evaluate()

    def _on_rollout_start(self) -> None:
        run = self._run
        if run.time_to_save and self.num_timesteps > self._saved_at:
            self._saved_at = self.num_timesteps
            state = _state(self.model)
            if state or run.should_stop:  # what cannot be gone on from begins anew
                run.save(self.num_timesteps if state else 0, state)

    def _on_step(self) -> bool:
        for info in self.locals.get("infos", ()):
            if "episode" in info:
                self._run.episode(info["episode"]["r"], int(info["episode"]["l"]))
        if self.num_timesteps >= self._due:
            self._due += self._interval
            self._evaluate()
        self._run.progress(self.num_timesteps)
        return True

    def _evaluate(self) -> None:
        if self._world is None:
            return
        returns, steps = evaluate_policy(
            self.model, self._world, self._episodes, return_episode_rewards=True
        )
        self._run.evaluation(self.num_timesteps, returns, steps=steps)


class Metrics(KVWriter):  # type: ignore[misc]
    """Reports what an algorithm logs of its updates as metrics.

    Args:
        run: whose.
        model: the algorithm.
    """

    def __init__(self, run: Any, model: Any) -> None:
        self._run, self._model = run, model

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        """Report what was logged since."""
        self._run.metrics(self._model.num_timesteps, dict(_numbers(key_values)))

    def close(self) -> None:
        """Nothing is open."""


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The finite numbers of updates among what is logged."""
    for name, value in values.items():
        if name.startswith("train/") and isinstance(value, (int, float)) and math.isfinite(value):
            yield name.removeprefix("train/"), float(value)


def _state(model: Any) -> dict[str, Any]:
    """What an algorithm goes on from; empty where it cannot."""
    replay = getattr(model, "replay_buffer", None)
    state = {"parameters": model.get_parameters(), "num_timesteps": model.num_timesteps}
    state["updates"] = int(getattr(model, "_n_updates", 0))
    _, variables = model._get_torch_save_params()
    state["variables"] = {name: getattr(model, name).detach() for name in variables}
    if replay is None:
        return state
    held = replay.buffer_size if replay.full else replay.pos
    arrays = {name: getattr(replay, name, None) for name in REPLAY}
    if any(isinstance(array, dict) for array in arrays.values()):
        return {}
    state["replay"] = {n: array[:held] for n, array in arrays.items() if array is not None}
    state["replay_position"] = [replay.pos, replay.full]
    return state


def _restore(model: Any, saved: Mapping[str, Any]) -> None:
    """Put what was saved into an algorithm that was just made."""
    model.set_parameters(saved["parameters"], device=model.device)
    model.num_timesteps = saved["num_timesteps"]
    model._n_updates = saved["updates"]
    for name, value in saved["variables"].items():
        getattr(model, name).data.copy_(value)
    if "replay" in saved:
        replay = model.replay_buffer
        for name, array in saved["replay"].items():
            getattr(replay, name)[: len(array)] = array
        replay.pos, replay.full = saved["replay_position"]
