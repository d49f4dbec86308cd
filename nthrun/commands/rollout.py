"""`nthrun rollout`: files of what everybody does in a game, as recorded policies play it.

Names, keys and shapes are those of the tool that the game of consumers and firms is from:

    episode_<step>_<role>.npz           states, actions, rewards, action_array, aux_array
    saved_models/<role>_policy_<step>.pt and …_latest.pt, where a role has a network of its own
    action_arrays.npz, hparams.yaml
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import click
import numpy as np
import torch
import yaml

from nthrun.agents.best_response.declaration import responders
from nthrun.analysis.figures.saving import save_arrays
from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import (
    Command,
    Option,
    RunIndex,
    RunStage,
    SnapshotStep,
    debug_option,
    takes_options,
    trust_option,
)
from nthrun.environments.base import make_environment
from nthrun.environments.rbc import source_files
from nthrun.records.durable_file import write_durably
from nthrun.records.kept import kept_steps
from nthrun.specs.field import plain
from nthrun.specs.trust import Trust
from nthrun.terminal import note, show
from nthrun.training.rollouts import RoleRollout, require_game
from nthrun.training.rollouts import rollout as roll_out
from nthrun.training.saved_policy import Learned, Policy, read_learned, restored

RESPONSE = "best_response"
"""The agent of which one role has learned to respond to the others."""
OF_SOURCE = "RBC"
"""The environment whose files have the original's tables and settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """The options."""

    index: RunIndex
    stage: RunStage
    step: SnapshotStep
    every: Annotated[
        bool, Option("--all", is_flag=True, help="Every step of which something is kept.")
    ]
    worlds: Annotated[
        int,
        Option(
            "--worlds",
            type=click.IntRange(1, 10_000),
            default=128,
            show_default=True,
            help="Games that are played side by side.",
        ),
    ]
    out: Annotated[
        str | None,
        Option("--out", metavar="DIR", help="Folder of the files.  [default: rollout_index<I>]"),
    ]
    trust: Annotated[bool, trust_option]
    debug: Annotated[bool, debug_option]

    @property
    def whose(self) -> Trust:
        """Whose word the specs are."""
        return Trust.USER if self.trust else Trust.READ


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@takes_options(RolloutOptions)
def rollout(directory: str, **given: Any) -> int:
    """Play the game of the experiment directory DIR by the policy of a run; write what all did.

    It is played anew, with random numbers of its own, and is not what training played. A step
    before the end needs a snapshot of it.
    """
    options = RolloutOptions(**given)
    if options.every and options.step is not None:
        raise click.UsageError("--all and --step are given, allowed: one of them")
    source = data_path(directory)
    learned = read_learned(source, options.index, options.stage, options.step, options.whose)
    require_game(learned)
    folders = _folders(learned, options.out)
    for kept in _every_step(learned, options) if options.every else (learned,):
        policy = restored(kept)
        for role, folder in folders.items():
            response = f", response of {role}" if role else ""
            note(f"step {kept.step:,}, {options.worlds:,} worlds{response}:")
            _write_episodes(policy, role, options.worlds, folder)
            _write_models(kept, role, folder / "saved_models")
    for folder in folders.values():
        _write_choices(learned, folder)
        show(str(folder))
    return 0


def _folders(learned: Learned, out: str | None) -> dict[str, Path]:
    """The folder of the files, by the role that responds: "" where none does; of best responses, as
    in the original, a folder in it for each role."""
    folder = Path(out or f"rollout_index{learned.index}")
    if learned.spec.agent.agent_name != RESPONSE:
        return {"": folder}
    setting = learned.spec.sweep.setting(_setting_number(learned))
    roles = responders(setting, learned.spec.environment.interface)
    return {role: folder / f"br{role}" for role in roles}


def _every_step(learned: Learned, options: RolloutOptions) -> Iterator[Learned]:
    """What a run had learned at every step of which something is kept, in order."""
    run = learned.index, learned.stage
    for step in sorted({*kept_steps(learned.source, learned.stage, learned.index), learned.step}):
        yield read_learned(learned.source, *run, step, options.whose)


def _write_episodes(policy: Policy, responder: str, worlds: int, folder: Path) -> None:
    """The files of every role, and on stderr what an agent earns in a step, on average."""
    for role, played in roll_out(policy, worlds, responder).items():
        note(f"{role}: {played.rewards.mean():.6g} a step and agent")
        path = folder / f"episode_{policy.learned.step}_{role}.npz"
        save_arrays(_arrays(policy.learned, role, played), path)


def _arrays(learned: Learned, role: str, played: RoleRollout) -> dict[str, np.ndarray]:
    """What a role's file has; one decision, and one number that is shown, have no axis."""
    choices = played.choices
    shown = np.zeros(0, np.float32) if played.shown is None else played.shown
    return {
        "states": played.states,
        "actions": choices[..., 0] if choices.shape[-1] == 1 else choices,
        "rewards": played.rewards,
        "action_array": _tables(learned, role),
        "aux_array": shown[..., 0] if shown.shape[-1:] == (1,) else shown,
    }


def _tables(learned: Learned, role: str) -> np.ndarray:
    """What the choices of a role mean, of the first head where the original says nothing else."""
    environment = learned.spec.environment
    if environment.env_name == OF_SOURCE:
        return source_files.action_array(environment.values, role)
    return _choices(learned)[f"{role}_choices_0"]


def _choices(learned: Learned) -> dict[str, np.ndarray]:
    """What choices mean, by name."""
    environment = learned.spec.environment
    if environment.env_name == OF_SOURCE:
        return source_files.action_arrays(environment.values)
    game = make_environment(environment)
    return {
        f"{role.name}_choices_{number}": table.numpy()
        for role in game.roles
        for number, table in enumerate(game.choice_table(role.name))
    }


def _write_choices(learned: Learned, folder: Path) -> None:
    """`action_arrays.npz` and `hparams.yaml`."""
    save_arrays(_choices(learned), folder / "action_arrays.npz")
    agent, environment = learned.spec.agent, learned.spec.environment
    setting = learned.spec.sweep.setting(_setting_number(learned))
    sections: dict[str, Any] = {"agents": {}, "world": environment.as_document(), "train": setting}
    if environment.env_name == OF_SOURCE:
        sections = source_files.hparams(environment.values, setting)
    sections["metadata"] = {"dirname": learned.source.name, "group": agent.agent_name}
    _write(folder / "hparams.yaml", yaml.safe_dump(plain(sections), sort_keys=False).encode())


def _setting_number(learned: Learned) -> int:
    return learned.spec.sweep.locate(learned.index)[0]


def _write_models(learned: Learned, responder: str, folder: Path) -> None:
    """A file for each role that has a network of its own, and the same as the latest."""
    for role in learned.spec.environment.interface.roles:
        kind = "response" if role.name == responder else "policy"
        named = model_of(learned.params, f"{kind}.{role.name}.", role.heads)
        if named:
            content = io.BytesIO()
            torch.save(named, content)
            for when in (learned.step, "latest"):
                _write(folder / f"{role.name}_policy_{when}.pt", content.getvalue())


def model_of(
    params: Mapping[str, np.ndarray], prefix: str, heads: tuple[int, ...]
) -> dict[str, torch.Tensor]:
    """A role's network as the state dict of the original's module; empty where there is none.

    Its layers are `fc1`, `fc2` …; then `action_heads.<k>` of several heads, or a next `fc` of one,
    and the value as the last `fc`. Weights are `(fan_out, fan_in)`. Masks are not in it.

    Args:
        params: of a record.
        prefix: of the names of its parameters.
        heads: its choices.
    """
    depth = sum(name.startswith(f"{prefix}weight") for name in params)
    layers = [
        (params[f"{prefix}weight{n}"].T, params[f"{prefix}bias{n}"]) for n in range(1, depth + 1)
    ]
    if not layers or layers[-1][0].shape[0] != sum(heads) + 1:
        return {}
    *hidden, (weight, bias) = layers
    named = {f"fc{n}": layer for n, layer in enumerate(hidden, 1)}
    ends = np.cumsum([0, *heads])
    for number, (begin, end) in enumerate(pairwise(ends)):
        name = f"action_heads.{number}" if len(heads) > 1 else f"fc{len(layers)}"
        named[name] = weight[begin:end], bias[begin:end]
    named[f"fc{len(layers) + 1}"] = weight[-1:], bias[-1:]
    return {
        f"{name}.{kind}": torch.from_numpy(np.ascontiguousarray(part))
        for name, layer in named.items()
        for kind, part in zip(("weight", "bias"), layer, strict=True)
    }


def _write(path: Path, content: bytes) -> None:
    write_durably(path, lambda file: file.write(content))
