"""Agents that start from a recorded run, named in specs as "heirs:Heir", and their forebears."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nthrun import Field, Layout, Parent, fits_any, parent_fields, start_from
from nthrun.agents.base import Experience, State
from nthrun.agents.random_agent.program import RandomAgent

WORLD = {
    "env_name": "Pendulum-v1",
    "total_timesteps": 40,
    "steps_per_episode": 20,
    "eval_interval_timesteps": 20,
    "eval_episodes": 1,
    "snapshot_interval_timesteps": 10,
}


class Forebear(RandomAgent):
    """Acts at random, and adds up rewards times a rate in as many weights as it is told to have."""

    hyperparameters: tuple[Field, ...] = (
        Field("size", "int", 3, "number of weights", minimum=1, static=True),
        Field("rate", "float", 0.01, "weight of a reward"),
    )
    fits = staticmethod(fits_any)

    def __init__(self, statics: Any, environment: Any) -> None:
        super().__init__(statics, environment)
        self.size: int = statics["size"]

    def initial_state(
        self, settings: Any, gamma: float, generators: Any, parents: Sequence[Parent | None] = ()
    ) -> State:
        state = super().initial_state(settings, gamma, generators)
        rates = torch.tensor([[float(setting["rate"])] for setting in settings])
        learned = {"weights": torch.zeros(len(settings), self.size)}
        start_from(learned, parents)
        return state | learned | {"rate": rates, "start": learned["weights"].clone()}

    def learns_at(self, step: int) -> bool:
        return True

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Any, step: Tensor
    ) -> dict[str, Tensor]:
        state["weights"].add_(state["rate"] * experience.reward[:, 0])
        return {}

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {"weights": state["weights"]}


class Heir(Forebear):
    """One that starts from the weights of another, which it keeps."""

    parent = "pretrained"
    hyperparameters = (
        *Forebear.hyperparameters,
        *parent_fields("pretrained", "experiment whose runs it starts from"),
    )

    @staticmethod
    def layout(setting: Any, interface: Any) -> Layout:
        """Its learned parameters; what else its state has is of no interest here."""
        return Layout({}, {"weights": (setting["size"],), "start": (setting["size"],)})

    def learned_params(self, state: State) -> dict[str, Tensor]:
        return {"weights": state["weights"], "start": state["start"]}


class Unmeasured(Heir):
    """The same without a layout."""

    layout = None  # type: ignore[assignment]


def specs(
    directory: Path,
    agent: str,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write the specs of an agent of these; returns the options that name them and a save dir.

    An heir starts from the first run of the forebears beside it.
    """
    if agent != "Forebear":
        parameters = {"pretrained": ["Pendulum-v1_Forebear"], **(parameters or {})}
    files = {
        "environment": WORLD | dict(environment or {}),
        "agent": {"agent_name": f"heirs:{agent}", "parameters": dict(parameters or {})},
    }
    directory.mkdir(exist_ok=True)
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    named = [f"{directory}/{name}.json" for name in files]
    save = ["--save-dir", f"{directory}/out"]
    return ["--env-json", named[0], "--agent-json", named[1], *save]
