"""`nthrun rollout`: files of the field's earlier tool, played anew by recorded policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from in_process import Outcome, ended
from torch import nn

from nthrun.commands.rollout import rollout
from nthrun.commands.run import run
from nthrun.index import Purpose, random_seed
from nthrun.records.data import open_data
from nthrun.training.noise import generator
from nthrun.training.rollouts import rollout as roll_out
from nthrun.training.saved_policy import load_policy

GAME: dict[str, Any] = {
    "env_name": "RBC",
    "num_consumers": 4,
    "num_firms": 2,
    "steps_per_episode": 3,
    "total_timesteps": 4,
    "eval_interval_timesteps": 4,
    "snapshot_interval_timesteps": 2,
    "record": ["metrics"],
}
PLAYERS: dict[str, Any] = {
    "agent_name": "ppo_types",
    "parameters": {
        "num_worlds": [64],
        "hidden": [[16, 8]],
        "mask_start": [[1000.0, 22.0, 0.1, 0.0, 0.0]],
        "mask_steps": [[0, 6, 6]],
        "ease_steps": [5.0],
        "lr": [[0.001, 0.001, 0.00005]],
        "reward_scale": [[5.0, 30_000.0, 1000.0]],
    },
}
PENNIES = {"even": [[1, -1], [-1, 1]], "odd": [[-1, 1], [1, -1]]}


def trained(folder: Path, environment: dict[str, Any], agent: dict[str, Any]) -> Path:
    """The experiment of indices 0 and 1, trained by the real command."""
    words = ["--backend", "auto", "--index", "0-1", "--save-dir", str(folder / "out")]
    for name, document in (("env", environment), ("agent", agent)):
        (folder / f"{name}.json").write_text(json.dumps(document))
        words += [f"--{name}-json", str(folder / f"{name}.json")]
    outcome = ended(run, *words)
    assert outcome.code == 0, outcome.errors
    return next((folder / "out").iterdir())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recorded game, and what was written of every step of index 1."""
    folder = tmp_path_factory.mktemp("game")
    root = trained(folder, GAME, PLAYERS)
    written = rolled_out(root, folder / "files", "--index", "1", "--all", "--worlds", "6")
    assert written.code == 0, written.errors
    return root, folder / "files"


def rolled_out(root: Path, folder: Path, *words: str) -> Outcome:
    """The command, which writes into a folder."""
    return ended(rollout, str(root), *words, "--out", str(folder))


def test_files_have_the_names_keys_and_shapes_of_the_source(played: tuple[Path, Path]) -> None:
    """Of each step there is a file a role, whose arrays need no pickle; tables, settings and
    networks lie beside them, and nothing else."""
    _, folder = played
    shapes = {
        "consumer": ((6, 3, 4, 13), (6, 3, 4, 4), (6, 3, 4), (5, 1), (6, 3, 4, 2)),
        "firm": ((6, 3, 2, 16), (6, 3, 2), (6, 3, 2), (30, 3), (6, 3, 2)),
        "government": ((6, 3, 1, 11), (6, 3, 1), (6, 3, 1), (36, 2), (0,)),
    }
    keys = ("states", "actions", "rewards", "action_array", "aux_array")
    for role, expected in shapes.items():
        for step in (0, 2, 4):
            with np.load(folder / f"episode_{step}_{role}.npz", allow_pickle=False) as file:
                assert tuple(file) == keys
                assert tuple(file[key].shape for key in keys) == expected
                assert file["actions"].dtype == np.int32
                assert {file[key].dtype.name for key in keys if key != "actions"} == {"float32"}
    with np.load(folder / "action_arrays.npz") as file:
        found = {name: file[name].shape for name in file}
    assert found == {
        "consumption_choices": (11, 1),
        "work_choices": (5, 1),
        "price_and_wage": (30, 3),
        "tax_choices": (36, 2),
    }
    settings = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert list(settings) == ["agents", "world", "train", "metadata"]
    assert settings["agents"]["firm_reward_scale"] == 30_000.0
    multiples = [settings["agents"][f"{role}_lr_multiple"] for role in shapes]
    assert multiples == pytest.approx([1.0, 1.0, 0.05])
    assert settings["train"]["lr"] == 0.001 and settings["train"]["use_ppo"] is True
    assert settings["world"]["maxtime"] == 3
    names = {path.name for path in (folder / "saved_models").iterdir()}
    ends = (0, 2, 4, "latest")
    assert names == {f"{role}_policy_{end}.pt" for role in shapes for end in ends}


class Plain(nn.Module):
    """A network of the source's form: two hidden layers, a head or several, and a value."""

    def __init__(self, size: int, hidden: tuple[int, int], heads: tuple[int, ...]) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(size, hidden[0]), nn.Linear(*hidden)
        if len(heads) > 1:
            self.action_heads = nn.ModuleList([nn.Linear(hidden[1], n) for n in heads])
        else:
            self.fc3 = nn.Linear(hidden[1], heads[0])
        self.fc4 = nn.Linear(hidden[1], 1)

    def forward(self, seen: torch.Tensor) -> list[torch.Tensor]:
        hidden = torch.relu(self.fc2(torch.relu(self.fc1(seen))))
        heads = getattr(self, "action_heads", None) or [self.fc3]
        return [torch.softmax(head(hidden), -1) for head in heads]


@pytest.mark.parametrize("role", ["consumer", "firm", "government"])
def test_a_plain_module_loads_a_network_and_has_its_probabilities(
    played: tuple[Path, Path], role: str
) -> None:
    """A module of the source's form takes a file's parameters, every one, without pickle, and gives
    the probabilities of each head that the agent has without its mask."""
    root, folder = played
    policy = load_policy(root, index=1, step=2)
    play = policy.program.solver.simulation.plays[role]  # type: ignore[attr-defined]
    with np.load(folder / f"episode_2_{role}.npz") as file:
        seen = torch.from_numpy(file["states"][:1, 1])
    shared, own = play._features(seen.unsqueeze(0))
    said = play.network(policy.state[f"policy.{role}"], shared, own).logits[0]
    count = seen.shape[1]
    inputs = torch.cat([shared[0, 0].expand(count, -1), own[0, 0]], -1)
    module = Plain(inputs.shape[1], (16, 8), play.role.heads)
    loaded = torch.load(folder / f"saved_models/{role}_policy_2.pt", weights_only=True)
    module.load_state_dict(loaded)
    for got, logits in zip(module(inputs), said.split(play.role.heads, -1), strict=True):
        torch.testing.assert_close(got, torch.softmax(logits, -1), rtol=1e-5, atol=1e-6)


def test_choices_keep_to_the_masks_of_their_step(played: tuple[Path, Path]) -> None:
    """At step 0 firms may choose one price and wage alone, and at step 4 others too; θ is seen as
    the curriculum has it, 0 at step 0."""
    _, folder = played
    for step, least in ((0, 1), (4, 2)):
        with np.load(folder / f"episode_{step}_firm.npz") as file:
            chosen = file["action_array"][file["actions"]]
        assert len(np.unique(chosen[..., 0])) >= least
        assert step or (np.unique(chosen.reshape(-1, 3), axis=0) == [[1000, 22, 0.1]]).sum() >= 2
        with np.load(folder / f"episode_{step}_consumer.npz") as file:
            assert (file["states"][..., -1] > 0.0).all() == (step > 0)


def test_the_same_is_written_again(played: tuple[Path, Path], tmp_path: Path) -> None:
    """Random numbers are those of the run's stream (EVALUATION, step), so that files are the same
    to the byte, another run's are others, and one step alone is as it is among all."""
    root, folder = played
    assert (
        rolled_out(root, tmp_path / "1", "--index", "1", "--step", "2", "--worlds", "6").code == 0
    )
    name = "episode_2_consumer.npz"
    assert (tmp_path / "1" / name).read_bytes() == (folder / name).read_bytes()
    assert not (tmp_path / "1/episode_4_consumer.npz").exists()
    assert (
        rolled_out(root, tmp_path / "0", "--index", "0", "--step", "2", "--worlds", "6").code == 0
    )
    assert (tmp_path / "0" / name).read_bytes() != (folder / name).read_bytes()


def test_a_matrix_game_is_rolled_out_too(tmp_path: Path) -> None:
    """Uniform play of a matrix game is that of its stream, paid as its table says; its tables are
    the numbers of choices, and there is no network."""
    game = {"env_name": "MatrixGame", "roles": ["even", "odd"], "payoffs": PENNIES}
    game |= {"total_timesteps": 4, "steps_per_episode": 2}
    root = trained(tmp_path, game, {"agent_name": "random", "parameters": {}})
    outcome = rolled_out(root, tmp_path / "files", "--worlds", "50")
    assert outcome.code == 0, outcome.errors
    assert outcome.out == f"{tmp_path}/files\n"
    stream = generator(random_seed(0, 0), Purpose.EVALUATION, 4)
    uniform = np.stack([stream.random((1, 50, 2), dtype=np.float32)[0] for _ in range(2)], 1)
    choices = (uniform * 2).astype(np.int32)
    for place, role in enumerate(PENNIES):
        with np.load(tmp_path / f"files/episode_4_{role}.npz") as file:
            np.testing.assert_array_equal(file["actions"][..., 0], choices[..., place])
            paid = np.array(PENNIES[role])[choices[..., 0], choices[..., 1]]
            np.testing.assert_array_equal(file["rewards"][..., 0], paid)
            assert file["action_array"].tolist() == [[0.0], [1.0]]
    assert not (tmp_path / "files/saved_models").exists()


def test_what_is_rolled_out_is_what_training_plays(played: tuple[Path, Path]) -> None:
    """A rollout of a step earns, but for chance, what training earned in that step: the same
    network, masks and easing, of which a whole θ would cost a consumer 1.3 to 2.6 a step."""
    root, _ = played
    [entry] = [one for one in open_data(root).entries if one.load(())["index"] == 1]
    metrics = entry.load(())["metrics"]
    for step in (0, 2):
        shown = roll_out(load_policy(root, index=1, step=step), 400)
        for role, most in (("consumer", 0.5), ("firm", 1500.0)):
            assert abs(shown[role].rewards.mean() - metrics[f"reward_{role}"][step]) < most


REFUSED = {
    ("--step", "1"): "--step 1: nothing is kept of index 0 at that step, allowed: 0,2,4",
    ("--index", "7"): "--index 7: not recorded in",
    ("--step", "2", "--all"): "--all and --step are given, allowed: one of them",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_there_is_told(
    played: tuple[Path, Path], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A run or a step that is not kept is one line, with what is, and nothing is written."""
    outcome = rolled_out(played[0], tmp_path / "files", *words)
    assert outcome.code == 2
    assert REFUSED[words] in "\n".join(outcome.errors)
    assert not (tmp_path / "files").exists()


def test_what_is_no_game_is_told(tmp_path: Path) -> None:
    """Runs of one agent in an environment of its own have nothing to roll out."""
    walk = {"env_name": "IndexGridworld", "total_timesteps": 4, "continuous": False}
    root = trained(tmp_path, walk, {"agent_name": "random", "parameters": {}})
    outcome = rolled_out(root, tmp_path / "files")
    told = "error: IndexGridworld: rollouts are of games of roles, and it has none; hint: name an"
    assert (outcome.code, len(outcome.errors)) == (2, 1)
    assert outcome.errors[0].startswith(told)
