"""The contract of an agent, and what programs of agents are written with: gradients, Adam, replay.

An agent is written once for one run and for a pack. Every tensor has a leading lane axis; a lane is
one run. An agent's state is one flat dict of tensors which its methods change in place. Runs never
mix: no operation reduces over lanes, so what a lane computes does not depend on its neighbours.

A run acts in one world, or in several at once where the agent declares the static hyperparameter
`num_worlds`. A program step, which the agent's methods count, is one environment step in each of
them: program step t, in world w, is environment step t × worlds + w. Specs, records and the replay
count environment steps.

Adam (Kingma and Ba, 2015) works on stacked parameters, with each lane's own step size and betas:

    m ← m + (1-β₁)(g - m)        v ← v + (1-β₂)(g² - v)
    θ ← θ - lr m̂ / (√v̂ + ε),    m̂ = m / (1-β₁ᵗ),  v̂ = v / (1-β₂ᵗ)

computed as θ ← θ - (lr √(1-β₂ᵗ)/(1-β₁ᵗ)) m / (√v + ε√(1-β₂ᵗ)). The powers of β are running
products, shared by all parameters that are updated together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.parents import Of, shared_names
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface

State = dict[str, Tensor]


class Noise(NamedTuple):
    """The random numbers of one program step, drawn beforehand from each lane's own streams.

    Those of the environment are drawn world after world; how an agent shares its own among worlds
    is its affair.

    Attributes:
        start_state: where an episode begins if one ends now, `(lanes, worlds, state_dim)`.
        start_observation: of that state, `(lanes, worlds, observation_dim)`.
        environment: uniform on [0, 1), for the step itself, `(lanes, worlds, num_step_draws)`.
        agent: standard normal, `(lanes, agent.num_agent_draws)`, for all worlds together.
        replay: environment steps drawn uniformly with replacement from the newest `replay_capacity`
            ones, those of this program step included, `(lanes, agent.num_replay_draws)`; see also
            `GatheringAgent.permuted`.
    """

    start_state: Tensor
    start_observation: Tensor
    environment: Tensor
    agent: Tensor
    replay: Tensor

    def steps(self, begin: int, end: int) -> Noise:
        """Some steps of a block's noise, whose tensors are `(lanes, num_steps, ...)`."""
        return Noise(*(tensor[:, begin:end] for tensor in self))

    def step(self, place: int) -> Noise:
        """One step of a block's noise."""
        return Noise(*(tensor[:, place] for tensor in self))

    def each(self) -> Iterator[Noise]:
        """Every step of a block's noise, in order."""
        return map(Noise._make, zip(*(tensor.unbind(1) for tensor in self), strict=True))


class Experience(NamedTuple):
    """Steps of every lane, `(lanes, batch, dim)` each; of the step just taken, batch is the worlds.

    Attributes:
        observation: before the action.
        action: within the environment's bounds; a discrete one is its number.
        reward: `(lanes, batch, 1)`.
        next_observation: after the action, before any reset: what a truncated episode is
            bootstrapped from is its own last observation.
        terminated: 1.0 where the episode ended in a terminal state, `(lanes, batch, 1)`. A
            truncated episode has 0.0, so that its value is bootstrapped.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminated: Tensor


class Agent(Protocol):
    """An agent; `nthrun.agents.sac.program` is one."""

    num_agent_draws: int
    """Standard normal numbers of a program step, for all worlds together."""
    num_replay_draws: int
    replay_capacity: int
    """Environment steps that `state["replay"]`, `(lanes, capacity, width)`, holds: number n lies in
    slot n mod capacity. 0 for an agent without replay."""

    def __init__(self, statics: Setting, environment: Interface) -> None:
        """Make the agent of runs that share static hyperparameters.

        Args:
            environment: what it acts in; its `total_timesteps` are the environment steps of a run,
                for what is to end with it, such as a falling step size.
        """

    def initial_state(
        self,
        settings: Sequence[Setting],
        gamma: float,
        generators: Sequence[np.random.Generator],
    ) -> State:
        """The state before the first step, one setting and one initialisation stream a lane.

        An agent whose declaration has a `parent` is given one more argument: of each lane the
        `Parent` that it starts from, None where it has none or where only its memory is measured.
        """

    def act(self, state: State, observation: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """The training action `(lanes, worlds, action_dim)` for an observation
        `(lanes, worlds, dim)`.

        Actions are within the environment's bounds; a discrete one is its number.
        """

    def act_greedily(self, state: State, observation: Tensor) -> Tensor:
        """The evaluation action for observations `(lanes, episodes, dim)`."""

    def observe(self, state: State, experience: Experience, step: Tensor) -> None:
        """Take in one step of every world, number `step` of the program."""

    def num_updates_after(self, step: int) -> int:
        """How many calls of `update` follow program step number `step` (0-based), 0 or 1.

        It depends on static hyperparameters and the step's number alone. An agent with more than
        one after a step is a `RepeatingAgent`; one with one at most may have `learns_at(step)`
        instead, which says whether it follows.
        """

    def update(
        self, state: State, experience: Experience, ended: Tensor, noise: Noise, step: Tensor
    ) -> dict[str, Tensor]:
        """Learn.

        Args:
            experience: the step just taken, which `observe` has already seen.
            ended: whether episodes ended after it, terminated or truncated, `(lanes, worlds, 1)`.

        Returns:
            metrics `(lanes,)` each, non-finite once the run has diverged.
        """

    def learned_params(self, state: State) -> dict[str, Tensor]:
        """Every learned weight and scalar, `(lanes, ...)` each."""


class RepeatingAgent(Agent, Protocol):
    """An agent that may update several times after a step; `nthrun.agents.off_policy` has one.

    Updates have noise of their own, which is drawn only where they follow: of a step's noise
    `agent` is `num_agent_draws` numbers for `act` alone, and `replay` is empty.
    """

    max_updates: int
    """The most updates after one step, 2 at least; one with 1 is as any `Agent`."""
    num_update_draws: int
    """Standard normal numbers of each."""

    def num_updates_after(self, step: int) -> int:
        """How many calls of `update` follow step number `step` (0-based), up to `max_updates`."""

    def update(
        self,
        state: State,
        experience: Experience,
        ended: Tensor,
        noise: Noise,
        step: Tensor,
        number: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """See `Agent`.

        Args:
            noise: of this update, of which `agent`, `(lanes, num_update_draws)`, and `replay`,
                `(lanes, num_replay_draws)`, are there.
            number: of this update among those after the step, from 0, a 0-dim integer tensor.
        """


class GatheringAgent(RepeatingAgent, Protocol):
    """An agent that learns from a whole rollout at a time, its replay; `nthrun.agents.ppo` is one.

    Updates follow the steps at which the replay is full of new steps, and what they all need, such
    as advantages, is computed once before the first of them. Its `max_updates` may be 1.
    """

    permuted: bool
    """Whether updates go through the replay epoch by epoch. Then the updates after a step name
    each of its `replay_capacity` steps once an epoch, in an order drawn anew for each, and those
    after a step are whole epochs. Else steps are drawn with replacement."""

    def observe(  # type: ignore[override]
        self, state: State, experience: Experience, step: Tensor, ended: Tensor
    ) -> None:
        """See `Agent`.

        Args:
            ended: whether episodes ended after it, terminated or truncated, `(lanes, worlds, 1)`.
        """

    def gather(self, state: State, step: Tensor) -> None:
        """Prepare the updates that follow step number `step`, changing `state` in place."""


def start_from(learned: Mapping[str, Tensor], parents: Of) -> None:
    """Put what parents had learned into the parameters of the same names; the others stay.

    Args:
        learned: `(lanes, ...)` each, as `learned_params` gives them: the agent's own tensors or
            views of them.
        parents: of each lane.

    Raises:
        ParentError: a parent has none of the parameters, or one of another shape.
    """
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in learned.items()}
    for lane, parent in enumerate(parents):
        if parent is not None:
            for name in shared_names(shapes, parent):
                learned[name][lane].copy_(torch.from_numpy(parent.params[name]))


def gradient(
    loss: Callable[[Tensor], tuple[Tensor, Tensor]], parameters: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of each lane's own loss.

    Args:
        loss: parameters -> (loss `(lanes,)`, anything else the caller wants back).
        parameters: `(lanes, num_params)`.

    Returns:
        loss, the other output, and the gradient, `(lanes, num_params)`. Summing the losses over
        lanes makes the gradient of the sum each lane's own.
    """
    with torch.enable_grad():
        leaf = parameters.detach().requires_grad_()
        value, other = loss(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), other.detach(), slope


TINY = 1e-30
"""The smallest number that is divided by."""


def shortened(slope: Tensor, longest: Tensor, more: float = TINY) -> tuple[Tensor, Tensor]:
    """A gradient, cut to a length where it is longer, and its norm, `(lanes, 1)`.

    Args:
        slope: `(lanes, P)`.
        longest: `(lanes, 1)`.
        more: what is added to the norm that is divided by.
    """
    norm = slope.square().sum(1, keepdim=True).sqrt()
    return (longest / (norm + more)).clamp(max=1.0) * slope, norm


def lane_column(values: Sequence[float]) -> Tensor:
    """One number a lane as a `(lanes, 1)` tensor."""
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1)


EPSILON = 1e-8


class AdamClock(NamedTuple):
    """Bias corrections of one update, `(lanes, 1)`: √(1-β₂ᵗ)/(1-β₁ᵗ) and ε√(1-β₂ᵗ)."""

    scale: Tensor
    epsilon: Tensor


def adam_state(settings: Sequence[Setting], parameters: State) -> State:
    """What Adam keeps: moments of each block `(lanes, P)`; β, 1-β and βᵗ, `(lanes, 2)`."""
    betas = torch.cat([lane_column([s["betas"][i] for s in settings]) for i in (0, 1)], 1)
    state = {
        "adam.betas": betas,
        "adam.weights": 1.0 - betas,
        "adam.powers": torch.ones_like(betas),
    }
    for name, block in parameters.items():
        state[f"{name}.mean"] = torch.zeros_like(block)
        state[f"{name}.square"] = torch.zeros_like(block)
    return state


def adam_tick(
    state: State, powers_of: str = "adam.powers", epsilon: Tensor | float = EPSILON
) -> AdamClock:
    """Count one update; its steps on several parameter blocks share the result.

    Args:
        powers_of: the name of βᵗ in the state, for blocks that are updated more or less often.
        epsilon: ε, a number or `(lanes, 1)`.
    """
    powers = state[powers_of].mul_(state["adam.betas"])
    mean_bias, square_bias = (1.0 - powers).split(1, 1)
    root = square_bias.sqrt()
    return AdamClock(root / mean_bias, root * epsilon)


def adam_step(
    state: State, name: str, slope: Tensor, learning_rate: Tensor, clock: AdamClock
) -> None:
    """One step on `state[name]`, in place.

    Args:
        slope: the gradient, `(lanes, P)`.
        learning_rate: `(lanes, 1)`.
        clock: of this update.
    """
    mean_weight, square_weight = state["adam.weights"].split(1, 1)
    mean = state[f"{name}.mean"].lerp_(slope, mean_weight)
    square = state[f"{name}.square"].lerp_(slope * slope, square_weight)
    root = square.sqrt().add_(clock.epsilon)
    state[name].addcdiv_(mean * (learning_rate * clock.scale), root, value=-1.0)


def store(buffer: Tensor, parts: Sequence[Tensor], step: Tensor) -> None:
    """Write one step of every world into its slot of the replay, in place; a row is a step.

    Args:
        buffer: `(lanes, capacity, width)`, with a slot for each world at least.
        parts: of a row, `(lanes, worlds, dim)` each.
        step: 0-based number of the program step, a 0-dim integer tensor.
    """
    rows = torch.cat(list(parts), -1)
    worlds = torch.arange(rows.shape[1], device=step.device)
    buffer.index_copy_(1, (step * rows.shape[1] + worlds) % buffer.shape[1], rows)


def recall(buffer: Tensor, widths: list[int], steps: Tensor) -> Experience:
    """Stored steps, `(lanes, batch, dim)` each.

    Args:
        buffer: `(lanes, capacity, width)`.
        widths: of the parts of a row.
        steps: step numbers still in the buffer, `(lanes, batch)`.
    """
    slots = (steps % buffer.shape[1]).unsqueeze(-1).expand(-1, -1, buffer.shape[2])
    return Experience(*buffer.gather(1, slots).split(widths, -1))
