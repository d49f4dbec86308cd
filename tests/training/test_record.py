"""What a record holds."""

from __future__ import annotations

import numpy as np
import pytest
from packs import BACKENDS, pack_of, small_spec, train

from nthrun.records.schema import UPDATE_VIEWS, Run, first_difference
from nthrun.specs.environment_spec import SERIES
from nthrun.training.context import make_context
from nthrun.training.loop import Training


@pytest.fixture(scope="module")
def run() -> Run:
    """A record with every series, of 320 steps in episodes of 50, learning after 30 steps."""
    spec = small_spec(
        {"total_timesteps": 320, "record": list(SERIES)}, {"steps_before_learning": [30]}
    )
    return train(spec, [9])[9]


def test_shapes(run: Run) -> None:
    """Every array has the documented shape."""
    shapes = {name: run[name].shape for name in run if isinstance(run[name], np.ndarray)}
    assert shapes == {
        "eval_episode_rewards": (4, 2),
        "eval_episode_steps": (4, 2),
        "timesteps_at_eval": (4,),
        "train_episode_rewards": (6,),
        "train_episode_steps": (6,),
        "train_states": (320, 3),
        "train_actions": (320, 1),
        "train_rewards": (320,),
        "train_next_states": (320, 3),
        "eval_states": (4 * 2 * 50, 3),
        "update_indices": (290, 8),
    }
    assert {name: series.shape for name, series in run["metrics"].items()} == {
        "critic_loss": (290,),
        "actor_loss": (290,),
        "entropy": (290,),
    }


def test_identity_and_counts(run: Run) -> None:
    """Scalars say which run it is and what it did; evaluations are at exact multiples."""
    assert (run["index"], run["setting_number"], run["run_number"], run["stage"]) == (9, 3, 1, 0)
    assert (run["random_seed"], run["status"], run["reason"]) == (1, "completed", "")
    assert run["total_timesteps"] == 320
    assert run["total_train_episodes"] == 6
    assert run["timesteps_at_eval"].tolist() == [0, 100, 200, 300]
    assert run["train_episode_steps"].tolist() == [50] * 6
    assert run["agent_params"]["critic_lr"] == 0.001
    assert run["agent_params"]["betas"] == [0.9, 0.999]
    assert run["train_time"] > 0
    assert run["eval_time"] > 0


def test_returns_are_sums_of_rewards(run: Run) -> None:
    """An episode's return is the sum of its rewards, added in order in float64."""
    rewards = run["train_rewards"].astype(np.float64)[:300].reshape(6, 50)
    assert run["train_episode_rewards"].tolist() == np.add.accumulate(rewards, 1)[:, -1].tolist()


@pytest.mark.parametrize(
    ("limit", "finished", "left"),
    [(0, 0, 128), (1000, 0, 128), (50, 2, 28), (64, 2, 0), (128, 1, 0)],
)
def test_the_episode_that_the_end_cuts_off(limit: int, finished: int, left: int) -> None:
    """Without a limit of episodes, with one beyond the run and with one within it, the episode that
    the run's end cuts off is kept apart from the finished ones: its steps, and the sum of its
    rewards; where the last step ends an episode it has none."""
    protocol = {"total_timesteps": 128, "steps_per_episode": limit, "eval_episodes": 0}
    run = train(small_spec(protocol | {"record": ["train_rewards"]}), [0])[0]
    assert (run["total_train_episodes"], run["unfinished_episode_steps"]) == (finished, left)
    rewards = run["train_rewards"].astype(np.float64)[128 - left :]
    assert run["unfinished_episode_reward"] == np.add.accumulate([0.0, *rewards])[-1]


def test_states_follow_one_another(run: Run) -> None:
    """The next state of a step is the state of the following one, except where an episode ends."""
    same = (run["train_next_states"][:-1] == run["train_states"][1:]).all(1)
    assert np.flatnonzero(~same).tolist() == [49, 99, 149, 199, 249, 299]


def test_update_views_look_through_update_indices(run: Run) -> None:
    """`update_*` are the recorded steps that each update used; none is newer than its update."""
    indices = run["update_indices"]
    for view in UPDATE_VIEWS:
        series = run["train" + view.removeprefix("update")]
        assert (run[view] == series[indices]).all()
    newest = np.arange(30, 320)[:, None]
    assert (indices <= newest).all()
    assert (indices > newest - 100).all()


def test_series_only_on_request() -> None:
    """Without a `record` list there are no per-step series."""
    run = train(small_spec(), [0])[0]
    assert not {"train_states", "eval_states", "update_indices", "metrics"} & run.keys()


def test_provenance(run: Run) -> None:
    """The record says with what and where it was made."""
    made = run["provenance"]
    assert made["backend"] == "eager"
    assert made["device"] == "cpu"
    assert made["pack_width"] == 1
    assert made["versions"]["torch"]
    assert made["cpu"]
    assert made["peak_memory_mb"] > 50
    assert [attempt["step"] for attempt in made["attempts"]] == [0]


@pytest.mark.parametrize("backend", ["compile", pytest.param("eager", marks=pytest.mark.slow)])
def test_divergence_is_recorded_and_the_neighbours_go_on(backend: str) -> None:
    """A run whose numbers become non-finite ends as `diverged` with its data up to then; the
    others of its pack have the bits they would have had without it."""
    parameters = {"critic_lr": [0.001, 1e38], "alpha": [0.1]}
    spec = small_spec({"total_timesteps": 256, "record": ["train_rewards"]}, parameters)
    context = make_context(spec, backend)
    runs = train(spec, [0, 1, 2], context=context)
    sick = runs[1]
    assert sick["status"] == "diverged"
    assert sick["total_timesteps"] < 256
    assert str(sick["total_timesteps"]) in sick["reason"]
    assert len(sick["train_rewards"]) == sick["total_timesteps"]
    for run in runs.values():
        steps = run["train_episode_steps"].sum() + run["unfinished_episode_steps"]
        assert steps == run["total_timesteps"]
    for index in (0, 2):
        alone = train(spec, [index], context=context)[index]
        assert first_difference(alone, runs[index]) is None
        assert runs[index]["status"] == "completed"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_diverged_record_does_not_depend_on_its_pack(backend: str) -> None:
    """Alone or in a pack, a diverged run leaves the same bits, parameters included."""
    parameters = {"critic_lr": [0.001, 1e38], "alpha": [0.1]}
    spec = small_spec({"total_timesteps": 256}, parameters)
    context = make_context(spec, backend)
    alone, packed = (train(spec, indices, context=context)[1] for indices in ([1], [0, 1, 2]))
    for name, array in alone["learned_params"].items():
        assert array.tobytes() == packed["learned_params"][name].tobytes()
    assert alone["total_timesteps"] == packed["total_timesteps"]


def test_learned_params_reproduce_the_policy() -> None:
    """The recorded weights are the agent's: evaluating them by hand gives its actions."""
    spec = small_spec({"total_timesteps": 60})
    training = Training(pack_of(spec, [0]), make_context(spec))
    (run,) = training.run()
    params = run["learned_params"]
    observation = training.state["environment.observation"]
    x = observation[0].numpy()
    for layer in (1, 2):
        x = np.maximum(x @ params[f"actor.weight{layer}"] + params[f"actor.bias{layer}"], 0)
    mean = (x @ params["actor.weight3"] + params["actor.bias3"])[:, :1]
    action = training.program.agent.act_greedily(training.state, observation)
    np.testing.assert_allclose(action[0].numpy(), 2 * np.tanh(mean), rtol=1e-5)
