"""An agent and worlds that raise what they are told, where they are told to.

Specs name them "failing:FailingAgent", "failing:FailingWorld" and "failing:FailingTensors".
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import torch

from nthrun import Experience, Field, Interface, NthrunError, State, Transition
from nthrun.agents.random_agent.program import RandomAgent
from nthrun.errors import Fault, SpecError, StorageError

PLACES = (
    "nowhere",
    "__init__",
    "initial_state",
    "act",
    "observe",
    "update",
    "act_greedily",
    "learned_params",
)
WORLD_PLACES = ("nowhere", "__init__", "reset", "step")
WHERE = Field("where", "str", "nowhere", "what raises", choices=PLACES, static=True)
LATE = 7
"""Steps or calls after which something raises."""


class OwnError(BaseException):
    """What only a bare `except` would catch."""


class SpeechlessError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class SpecLikeError(SpecError):
    """An error of nthrun's that is shown fault by fault."""

    def __init__(self, problem: str) -> None:
        super().__init__([Fault("nowhere", "", problem)])


def fail(how: str) -> None:
    """Raise something.

    Args:
        how: "exit", "file", or the name of what is raised.
    """
    if how == "exit":
        raise SystemExit  # what sys.exit() does, which W&B's client replaces once it is imported
    if how == "file":
        open("/no/such/table.csv")  # noqa: SIM115 - it is not there
    kinds: dict[str, type[BaseException]] = {
        "CancelledError": asyncio.CancelledError,
        "OwnError": OwnError,
        "SpeechlessError": SpeechlessError,
        "NthrunError": NthrunError,
        "StorageError": StorageError,
        "SpecLikeError": SpecLikeError,
        **{kind.__name__: kind for kind in (GeneratorExit, StopIteration, SystemExit)},
        **{kind.__name__: kind for kind in (ConnectionRefusedError, TimeoutError, ValueError)},
    }
    raise kinds[how]("told to")


def failing_layout(statics: Any, environment: Interface) -> None:
    """A layout that raises an error of nthrun's."""
    fail("SpecLikeError")


class FailingAgent(RandomAgent):
    """Acts at random, and raises at its `LATE`-th call of a method; other runs of its pack do not
    make it do so."""

    hyperparameters = (
        WHERE,
        Field("how", "str", "exit", "what is raised", static=True),
        Field("troubled", "float", 1.0, "whether this run is the one"),
    )

    def __init__(self, statics: Any, environment: Interface) -> None:
        super().__init__(statics, environment)
        self._statics, self._calls = statics, 0
        self._at("__init__")

    def _at(self, place: str, troubled: bool = True) -> None:
        if place == self._statics["where"] and troubled:
            self._calls += 1
            if self._calls > LATE or place in ("__init__", "initial_state"):
                fail(self._statics["how"])

    def initial_state(self, settings: Any, gamma: float, generators: Any) -> State:
        self._at("initial_state", any(setting["troubled"] for setting in settings))
        state = super().initial_state(settings, gamma, generators)
        return state | {"troubled": torch.tensor([[s["troubled"]] for s in settings])}

    def act(self, state: State, *arguments: Any) -> torch.Tensor:
        self._at("act", bool(state["troubled"].any()))
        return super().act(state, *arguments)

    def act_greedily(self, state: State, observation: torch.Tensor) -> torch.Tensor:
        self._at("act_greedily", bool(state["troubled"].any()))
        return super().act_greedily(state, observation)

    def observe(self, state: State, experience: Experience, step: torch.Tensor) -> None:
        self._at("observe", bool(state["troubled"].any()))

    def learns_at(self, step: int) -> bool:
        return True

    def update(self, state: State, *arguments: Any) -> dict[str, torch.Tensor]:
        self._at("update", bool(state["troubled"].any()))
        return {}

    def learned_params(self, state: State) -> dict[str, torch.Tensor]:
        self._at("learned_params", bool(state["troubled"].any()))
        return {"troubled": state["troubled"]}


class FailingWorld:
    """A world on the host whose field `where` says what raises, in every `run`-th world only."""

    interface = Interface((0.0,), (1.0,), (-1.0,), (1.0,))
    on_host = True
    fields = (
        Field("where", "str", "nowhere", "what raises", choices=WORLD_PLACES),
        Field("how", "str", "exit", "what is raised"),
    )

    def __init__(self, spec: Any) -> None:
        self._where, self._how, self._steps = spec.values["where"], spec.values["how"], 0
        self._at("__init__", True)

    def _at(self, place: str, troubled: bool) -> None:
        if place == self._where and troubled:
            fail(self._how)

    def reset(self, seed: int) -> np.ndarray:
        self._at("reset", self._steps > LATE)
        return np.zeros(1, np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        self._steps += 1
        self._at("step", self._steps > LATE)
        return np.zeros(1, np.float32), 0.0, False, False


class FailingTensors:
    """The same with tensors."""

    interface = Interface((0.0,), (1.0,), (-1.0,), (1.0,), state_dim=1)
    fields = FailingWorld.fields

    def __init__(self, spec: Any) -> None:
        self._where, self._how, self._calls = spec.values["where"], spec.values["how"], 0
        self._at("__init__")

    def _at(self, place: str) -> None:
        if place == self._where:
            self._calls += 1
            if self._calls > LATE or place == "__init__":
                fail(self._how)

    def reset(self, draws: torch.Tensor) -> torch.Tensor:
        self._at("reset")
        return torch.zeros(*draws.shape[:-1], 1)

    def observe(self, state: torch.Tensor) -> torch.Tensor:
        return state

    def step(self, state: torch.Tensor, action: torch.Tensor, draws: torch.Tensor) -> Transition:
        self._at("step")
        return Transition(state, torch.zeros_like(state), torch.zeros_like(state))
