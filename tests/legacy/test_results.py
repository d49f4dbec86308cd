"""Importing result pickles of the field's earlier tool."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from legacy.result_pickles import AGENT, ENVIRONMENT, old_data, old_run, put, under_numpy_1

from nthrun.analysis.curves import learning_curve
from nthrun.errors import DataFileError
from nthrun.legacy import results
from nthrun.legacy.results import import_old
from nthrun.legacy.runs import old_file
from nthrun.records import open_data, table
from nthrun.records.combine import write_combined
from nthrun.records.data import Data
from nthrun.records.schema import FLOATS, INTEGERS, TEXTS, Run
from nthrun.records.sources import MemorySource


def imported(directory: Path, name: str = "data.json", full: bool = False) -> Data:
    """The data of a directory whose pickles are all sound."""
    done = import_old(directory, directory / name, full)
    assert (done.combined.unreadable, done.combined.conflicts) == ((), ())
    return open_data(directory / name)


def problem(directory: Path) -> str:
    """Why the only unreadable pickle was passed over."""
    ((path, text),) = import_old(directory, directory / "data.json").combined.unreadable
    assert path.suffix == ".pkl"
    return text


def runs(data: Data) -> list[Run]:
    return [entry.load(()) for entry in data.entries]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_every_key(tmp_path: Path, name: str, protocol: int) -> None:
    """A run comes out with every key of a record, in every protocol, under numpy 1 and 2."""
    for index in (1, 13):
        path = put(tmp_path, index, protocol=protocol)
        if index == 13 and protocol < 4:
            path.write_bytes(under_numpy_1(path.read_bytes()))
    data = imported(tmp_path, name)
    first, second = runs(data)
    assert [run["index"] for run in (first, second)] == [1, 13]
    assert [run["run_number"] for run in (first, second)] == [0, 2]
    assert [run["random_seed"] for run in (first, second)] == [32767, 32765]
    assert {*INTEGERS, *FLOATS, *TEXTS} <= first.keys()
    assert (first["status"], first["stage"], first["setting_number"]) == ("completed", 0, 1)
    assert first["learned_params"] == {} if "learned_params" in first else name == "data.json"
    assert first["train_episode_rewards"].tolist() == [-3.0, -2.0, -1.0]
    assert first["eval_episode_rewards"].shape == (3, 2)
    assert first["train_episode_steps"].dtype == np.int64
    assert first["provenance"]["imported_from"] == "Pendulum-v0_SAC_data_1.pkl"
    assert first["agent_params"]["critic_lr"] == 0.01
    assert data["experiment"]["environment"] == ENVIRONMENT
    assert data["experiment"]["agent"] == AGENT
    assert table(data)["mean_return"].tolist() == [-2.0, -4.0]


def test_what_a_run_lacks(tmp_path: Path) -> None:
    """What an old run lacks is empty or 0, and lists stand for arrays."""
    old = {
        "run_number": 0,
        "random_seed": 32767,
        "total_timesteps": 20.0,
        "train_episode_rewards": [1, 2],
        "train_episode_steps": [10, 10],
    }
    put(tmp_path, 0, old_data(0, [old]))
    (run,) = runs(imported(tmp_path, full=True))
    assert run["eval_episode_rewards"].shape == (0, 0)
    assert run["timesteps_at_eval"].shape == (0,)
    assert (run["train_time"], run["total_train_episodes"]) == (0.0, 2)
    assert run["total_timesteps"] == 20
    assert run["learned_params"] == {}


def test_agent_params_by_either_name(tmp_path: Path) -> None:
    """The hyperparameters may stand under `agent_params` too."""
    content = old_data(0, [old_run(0)])
    setting = content["experiment_data"][0]
    setting["agent_params"] = setting.pop("agent_hyperparams")
    put(tmp_path, 0, content)
    assert imported(tmp_path)["experiment_data"][0]["agent_params"]["hidden_dim"] == 64


def test_data_pkl(tmp_path: Path) -> None:
    """What both data.pkl and a pickle of its own hold is one run; the others are added."""
    content = old_data(2, [old_run(number) for number in (3, 0, 1)])
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(content))
    put(tmp_path, 2)
    put(tmp_path, 14)
    data = imported(tmp_path)
    assert [run["run_number"] for run in runs(data)] == [0, 1, 2, 3]
    assert [run["index"] for run in data["experiment_data"][2]["runs"]] == [2, 8, 14, 20]


def test_rerun(tmp_path: Path) -> None:
    """A run whose seed is of the second range is of stage 1."""
    put(tmp_path, 0)
    put(tmp_path, 6, old_data(0, [old_run(0, random_seed=16384)]))
    assert [(run["stage"], run["random_seed"]) for run in runs(imported(tmp_path))] == [
        (0, 32767),
        (1, 16384),
    ]


def test_paired_sizes(tmp_path: Path) -> None:
    """A sweep of batch sizes and replay capacities has as many settings as legal pairs."""
    content = old_data(0, [old_run(1)])
    sizes = {"batch_size": [32, 64], "replay_capacity": [40, 100_000], "critic_lr": [0.1, 0.2]}
    for extra in ({}, {"batch/replay": [[32, 40], [32, 100_000], [64, 100_000]]}):
        content["experiment"]["agent"] = {"agent_name": "SAC", "parameters": sizes | extra}
        put(tmp_path / str(len(extra)), 0, content)
        (run,) = runs(imported(tmp_path / str(len(extra))))
        assert run["index"] == 6


def test_what_agents_added(tmp_path: Path) -> None:
    """Added series become metrics, other values provenance, and nothing is lost in silence."""
    put(
        tmp_path,
        0,
        entropy=[0.5, float("nan")],
        source="class SAC: ...",
        grad_norm=np.ones((2, 2)),
        state=b"bytes",
        learned_params={"actor": {"w": np.ones((2, 2))}, "critic": torch.ones(1)},
    )
    done = import_old(tmp_path, tmp_path / "data.h5")
    assert done.left_out == (
        (tmp_path / "Pendulum-v0_SAC_data_0.pkl", ("learned_params/critic", "state")),
    )
    (run,) = runs(open_data(tmp_path / "data.h5"))
    np.testing.assert_array_equal(run["metrics"]["entropy"], [0.5, np.nan])
    assert run["learned_params"]["actor/w"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert run["provenance"]["imported"] == {
        "source": "class SAC: ...",
        "grad_norm": [[1.0, 1.0], [1.0, 1.0]],
    }


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
@pytest.mark.parametrize(
    ("learned", "left_out"),
    [
        ({"a\0b": 1.0}, r"'a\x00b'"),
        ({"": 1.0}, "''"),
        ({".": 1.0}, "."),
        ({"a": {"..": 1.0}}, "a/.."),
        ({"a//b": 1.0}, "a//b"),
        ({"m\ud800": 1.0}, r"'m\ud800'"),
        ({"w": 0.0, "w/<f8": 1.0}, "w/<f8"),
        ({None: 1.0}, "None"),
        ({"a" * 70_000: 1.0}, "a" * 80),
        ({"a/b": 0.0, "a": {"b": 1.0}}, "a/b (a second one)"),
        ({1: 0.0, "1": 1.0}, "1 (a second one)"),
        ({"a": {}}, "a"),
        ({"a": ["b"]}, "a"),
    ],
    ids=range(13),
)
def test_names_of_parameters(
    tmp_path: Path, name: str, learned: dict[Any, Any], left_out: str
) -> None:
    """A name that no file reads back, or that two have, is left out and told; the rest is read."""
    path = put(tmp_path, 0, learned_params=learned | {"layer/0": np.ones(2), 3: 2.0})
    done = import_old(tmp_path, tmp_path / name, full=True)
    assert done.left_out == ((path, (f"learned_params/{left_out}",)),)
    (run,) = runs(open_data(tmp_path / name))
    kept = {str(key): value for key, value in learned.items() if value == 0.0}
    assert run["learned_params"].pop("layer/0").tolist() == [1.0, 1.0]
    assert {key: value.item() for key, value in run["learned_params"].items()} == kept | {"3": 2.0}


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_names_of_series(tmp_path: Path, name: str) -> None:
    """Keys of a run that no file reads back are left out and told; a number is its text."""
    run = old_run(0) | {7: [1.0, 2.0], "": [1.0], "a\0": [1.0], "\ud800": 1, None: 2, "..": 1}
    run |= {8: 1, "8": 2, "pair": {1: 0, "1": 0}, "a/b": [3.0]}
    path = put(tmp_path, 0, old_data(0, [run]))
    done = import_old(tmp_path, tmp_path / name, full=True)
    told = ("''", r"'\ud800'", r"'a\x00'", "..", "8 (a second one)", "None", "pair")
    assert done.left_out == ((path, told),)
    (found,) = runs(open_data(tmp_path / name))
    assert found["metrics"]["7"].tolist() == [1.0, 2.0]
    assert found["metrics"].keys() == {"7"}
    assert found["provenance"]["imported"] == {"8": 1, "a/b": [3.0]}


def sweep(**parameters: Any) -> dict[str, Any]:
    """A pickle of run 1 of setting 0 of a sweep."""
    content = old_data(0, [old_run(1)])
    content["experiment"]["agent"] = {"agent_name": "SAC", "parameters": parameters}
    return content


def test_huge_sweeps(tmp_path: Path) -> None:
    """Legal pairs are counted without making them."""
    sizes = [*range(1, 20_001)]
    put(tmp_path, 0, sweep(batch_size=sizes, replay_capacity=sizes))
    tracemalloc.start()
    (run,) = runs(imported(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert run["index"] == 20_000 * 20_001 // 2
    assert peak < 50e6


def test_texts_take_no_room(tmp_path: Path) -> None:
    """A list of texts, one of them long, is kept without making every text as long."""
    texts = ["a"] * 20_000 + ["b" * 20_000]
    put(tmp_path, 0, names=texts, learned_params={"a": np.array(["x"])})
    tracemalloc.start()
    (run,) = runs(imported(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert run["provenance"]["imported"]["names"] == texts
    assert peak < 50e6


LONG = 10**300
FAR = old_data(0, [])
FAR["experiment_data"] = {LONG: {}}
TWICE = old_data(0, [old_run(0)])
TWICE["experiment"]["environment"] = {"env_name": "E", 1: 0, "1": 0}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (old_data(0, [old_run(0) | {"run_number": 10**5000}]), "refused: an integer of 16610 bits"),
        (old_data(0, [old_run(0) | {"run_number": LONG}]), "runs[0].run_number: int '1000"),
        (FAR, "refused: an integer of 997 bits as the key of a dict"),
        (sweep(**{f"p{n}": [0, 1] for n in range(62)}), ""),
        (sweep(**{f"p{n}": [0, 1] for n in range(63)}), "experiment.agent.parameters: 2**63"),
        (sweep(**{f"p{n}": [0, 1] for n in range(20_000)}), "experiment.agent.parameters: 2**63"),
        (TWICE, "experiment.environment: two keys"),
    ],
    ids=range(7),
)
def test_huge_numbers(tmp_path: Path, content: Any, text: str) -> None:
    """A number that no record holds is one short line, and the other pickles are read."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    if not text:
        assert runs(imported(tmp_path, "data.h5"))[0]["index"] == 2**62
        return
    put(tmp_path, 1)
    found = problem(tmp_path)
    assert text in found
    assert len(found) < 200
    assert [run["index"] for run in runs(open_data(tmp_path / "data.json"))] == [1]


def test_indices_out_of_range(tmp_path: Path) -> None:
    """A run whose index has no room in a record is named."""
    content = sweep(**{f"p{n}": [0, 1] for n in range(62)})
    content["experiment_data"][0]["runs"][0]["run_number"] = 2
    put(tmp_path, 0, content)
    assert problem(tmp_path) == "experiment_data[0]: run number 2 is out of range"


def test_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle that memory does not suffice for is named, and the others are read."""
    put(tmp_path, 0)
    big = put(tmp_path, 1)

    def limited(path: Path, digest: str, content: Any) -> Any:
        if path == big:
            raise MemoryError
        return old_file(path, digest, content)

    monkeypatch.setattr(results, "old_file", limited)
    assert problem(tmp_path) == "too large for this machine's memory"
    assert len(open_data(tmp_path / "data.json").entries) == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"train_episode_rewards": [1.0]}, "runs[0].train_episode_steps"),
        ({"train_episode_steps": [200.5, 1, 1]}, "runs[0].train_episode_steps"),
        ({"train_episode_rewards": "much"}, "runs[0].train_episode_rewards"),
        ({"eval_episode_rewards": np.zeros((2, 2))}, "runs[0].eval_episode_rewards"),
        ({"eval_episode_rewards": [[1, 2], [3]]}, "runs[0].eval_episode_rewards"),
        ({"timesteps_at_eval": np.zeros((3, 1))}, "runs[0].timesteps_at_eval"),
        ({"total_timesteps": "many"}, "runs[0].total_timesteps"),
        ({"random_seed": 2**70}, "runs[0].random_seed"),
        ({"train_time": [1, 2]}, "runs[0].train_time"),
    ],
)
def test_wrong_shape(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    """A value of the wrong shape or kind is named by its key; the other pickles are read."""
    put(tmp_path, 0, **changes)
    put(tmp_path, 1)
    assert problem(tmp_path).startswith(f"experiment_data[0].{key}: ")
    assert [run["index"] for run in runs(open_data(tmp_path / "data.json"))] == [1]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([1], "it: no dict but list"),
        ({"experiment": {}}, "experiment.agent: missing"),
        (old_data(0, [{}]), "experiment_data[0].runs[0].run_number: missing"),
        (old_data(0, [old_run(0)]) | {"experiment_data": {}}, ""),
        (old_data(0, []) | {"experiment_data": {7: {}}}, "experiment_data[7]: no setting"),
        (old_data(0, []) | {"experiment_data": {0: {"runs": []}}}, "agent_hyperparams: missing"),
    ],
    ids=range(6),
)
def test_other_contents(tmp_path: Path, content: Any, text: str) -> None:
    """A pickle of something else is named with what it lacks; one without runs adds none."""
    put(tmp_path, 0, content)
    done = import_old(tmp_path, tmp_path / "data.json").combined
    assert done.num_runs == 0
    assert bool(done.unreadable) == bool(text)
    assert all(text in problem for _, problem in done.unreadable)


def test_two_experiments(tmp_path: Path) -> None:
    """Pickles of differing specs are refused together, both named with the keys that differ."""
    put(tmp_path, 0)
    other = old_data(1, [old_run(0)])
    other["experiment"]["environment"] = {**ENVIRONMENT, "gamma": 0.9, "seed": 4}
    put(tmp_path, 1, other)
    with pytest.raises(DataFileError, match=r"data_0\.pkl and .*data_1\.pkl: .*differ in: gamma"):
        import_old(tmp_path, tmp_path / "data.json")
    assert not (tmp_path / "data.json").exists()


def test_two_meanings_of_a_setting(tmp_path: Path) -> None:
    """Pickles that give one setting differing hyperparameters are refused together."""
    put(tmp_path, 0)
    other = old_data(0, [old_run(1)])
    other["experiment_data"][0]["agent_hyperparams"]["critic_lr"] = 0.7
    put(tmp_path, 6, other)
    with pytest.raises(DataFileError, match="the hyperparameters of setting 0"):
        import_old(tmp_path, tmp_path / "data.json")


def test_idempotent(tmp_path: Path) -> None:
    """Importing again changes no byte; pickles are never touched."""
    paths = [put(tmp_path, index) for index in range(3)]
    before = [path.read_bytes() for path in paths]
    imported(tmp_path)
    first = (tmp_path / "data.json").read_bytes()
    assert not import_old(tmp_path, tmp_path / "data.json").combined.written
    assert (tmp_path / "data.json").read_bytes() == first
    assert [path.read_bytes() for path in paths] == before


def test_pickles_that_are_gone(tmp_path: Path) -> None:
    """Runs whose pickles are gone stay, new ones are added."""
    put(tmp_path, 0).rename(tmp_path / "data.pkl")
    put(tmp_path, 1)
    import_old(tmp_path, tmp_path / "data.json")
    (tmp_path / "data.pkl").unlink()
    put(tmp_path, 2)
    done = import_old(tmp_path, tmp_path / "data.json").combined
    assert (done.num_runs, done.carried) == (3, 1)


def test_conflict(tmp_path: Path) -> None:
    """Two pickles of one run that differ are a conflict, and both are kept, a changed one too."""
    put(tmp_path, 0)
    import_old(tmp_path, tmp_path / "data.json")
    put(tmp_path, 0, train_episode_rewards=np.zeros(3))
    done = import_old(tmp_path, tmp_path / "data.json").combined
    assert done.num_runs == 2
    assert [key for _, key in done.conflicts] == ["train_episode_rewards"]


def test_what_is_not_replaced(tmp_path: Path) -> None:
    """A data.json of other specs is not replaced; a file of something else is set aside."""
    put(tmp_path / "one", 0)
    imported(tmp_path / "one")
    other = old_data(0, [old_run(0)])
    other["experiment"]["environment"] = {**ENVIRONMENT, "gamma": 0.9}
    put(tmp_path / "two", 0, other)
    with pytest.raises(DataFileError, match="records of another experiment"):
        import_old(tmp_path / "two", tmp_path / "one" / "data.json")
    (tmp_path / "two" / "data.json").write_text('{"mine": 1}')
    import_old(tmp_path / "two", tmp_path / "two" / "data.json")
    assert (tmp_path / "two" / "data.json.damaged-1").read_text() == '{"mine": 1}'


CUT_OFF = [
    pytest.param([200, 200, 85, 5], 1000, 490, 5, id="shorter than the limit"),
    pytest.param([200, 200, 85, 200], 1000, 685, 200, id="as long as one before"),
    pytest.param([10, 990], 0, 1000, 990, id="no limit"),
    pytest.param([10, 990], None, 1000, 990, id="a limit that is not told"),
    pytest.param([600], 1000, 600, 600, id="the only one"),
    pytest.param([200, 200, 100], 200, 500, 100, id="all before at the limit"),
    pytest.param([200, 200, 200], 200, 600, 0, id="at the limit"),
    pytest.param([85, 40, 200], 200.0, 325, 0, id="at a limit that is a float"),
    pytest.param([200, 200, 200], 0, 600, 0, id="as long as all before"),
    pytest.param([1] * 50, 1, 50, 0, id="a bandit's"),
    pytest.param([85, 40, 20], 200, 1000, 0, id="ended by a number of episodes"),
    pytest.param([], 200, 0, 0, id="none"),
]


@pytest.mark.parametrize(("steps", "limit", "total", "left"), CUT_OFF)
def test_the_episode_that_the_end_cut_off(
    tmp_path: Path, steps: list[int], limit: float | None, total: int, left: int
) -> None:
    """The episode that the last step of a run cut off is kept apart, with its return so far, unless
    it is as long as episodes may be, or as all before it; the steps of all add up as before."""
    rewards = np.arange(len(steps)) - 9.0
    old = old_run(0, total_timesteps=total, train_episode_steps=steps)
    content = old_data(0, [old | {"train_episode_rewards": rewards}])
    if limit is not None:
        content["experiment"]["environment"]["steps_per_episode"] = limit
    put(tmp_path, 0, content)
    (run,) = runs(imported(tmp_path))
    finished = steps[:-1] if left else steps
    assert run["train_episode_steps"].tolist() == finished
    assert run["train_episode_rewards"].tolist() == rewards[: len(finished)].tolist()
    assert run["total_train_episodes"] == len(finished)
    assert run["unfinished_episode_steps"] == left
    assert run["unfinished_episode_reward"] == (rewards[-1] if left else 0.0)


def test_a_rising_curve_does_not_bend_at_its_end(tmp_path: Path) -> None:
    """The curve of an import ends with the return of a whole episode, and its mean return counts
    the steps of the one that was cut off."""
    old = {"train_episode_steps": [300, 200, 95, 5], "train_episode_rewards": [-4, -3, -2, -0.5]}
    put(tmp_path, 0, **old)
    data = imported(tmp_path)
    assert learning_curve(data).runs[0][-1] == -2.0
    expected = (-4 * 300 - 3 * 200 - 2 * 95 - 0.5 * 5) / 600
    assert table(data)["mean_return"].tolist() == pytest.approx([expected])


def lengths(data: Data) -> list[list[int]]:
    """Steps of the finished episodes of each run, and of the unfinished one."""
    return [[*r["train_episode_steps"].tolist(), r["unfinished_episode_steps"]] for r in runs(data)]


def as_before(run: Run) -> Run:
    """An imported run with its last episode among the others, as imports once had it."""
    reward, steps = (run.pop(f"unfinished_episode_{name}") for name in ("reward", "steps"))
    if steps:
        run["train_episode_rewards"] = np.append(run["train_episode_rewards"], reward)
        run["train_episode_steps"] = np.append(run["train_episode_steps"], steps)
        run["total_train_episodes"] += 1
    return run


@pytest.mark.parametrize("name", ["data.json", "data.h5"])
def test_an_import_of_before_is_brought_up_to_date(tmp_path: Path, name: str) -> None:
    """Importing again keeps cut-off episodes apart in runs that were imported before that was done,
    in those whose pickles are gone too; and then changes nothing any more."""
    for index in range(3):
        put(tmp_path, index, train_episode_steps=[300, 295, 5])
    data = imported(tmp_path, name)
    expected = lengths(data)
    source = MemorySource([as_before(run) for run in runs(data)])
    entries = [replace(entry, source=source, position=n) for n, entry in enumerate(data.entries)]
    write_combined(Data(data.source, data["experiment"], entries, data.full), None, keep=False)
    (tmp_path / "Pendulum-v0_SAC_data_2.pkl").unlink()
    done = import_old(tmp_path, tmp_path / name).combined
    assert (done.written, done.carried, done.num_runs, done.conflicts) == (True, 1, 3, ())
    assert lengths(open_data(tmp_path / name)) == expected
    assert not import_old(tmp_path, tmp_path / name).combined.written
