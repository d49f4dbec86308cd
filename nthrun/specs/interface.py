"""The interface of an environment: its shapes and bounds, as agents and planning see them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Role:
    """Agents of a game that are alike, such as its consumers or its firms.

    Attributes:
        name: in the singular, one word, such as "consumer"; metrics and spec values are named by
            it.
        count: how many agents play it.
        observation_dim: numbers that each of them sees.
        heads: how many choices there are in each of the decisions that an agent takes in a step.
        grids: of a role that takes one decision, the values that each of the numbers can have that
            say what a choice means, rising; () is one number, that of the choice.
        shared: how many of the first numbers that an agent sees all of them see alike.
        scales: what networks divide each of the numbers by that it sees; () is 1 for all.
        digits: which of those numbers networks see digit by digit, since they range over many
            powers of ten; rising.
    """

    name: str
    count: int
    observation_dim: int
    heads: tuple[int, ...]
    grids: tuple[tuple[float, ...], ...] = ()
    shared: int = 0
    scales: tuple[float, ...] = ()
    digits: tuple[int, ...] = ()

    def problem(self) -> str:
        """What of it no game can have, in words; "" if nothing."""
        if not self.name.isidentifier():
            return f"a role is named {self.name!r}, allowed: one word"
        if min(self.count, self.observation_dim) < 1:
            return f"role {self.name} has a count of less than 1"
        if not self.heads or min(self.heads) < 1:
            return f"role {self.name} has heads {self.heads}, allowed: at least one, each >= 1"
        return ""


@dataclass(frozen=True, slots=True)
class Interface:
    """What an environment of a given spec takes and gives.

    Attributes:
        observation_low, observation_high: bounds of every component of an observation, infinite
            where there is none.
        action_low, action_high: bounds of every component of a continuous action; empty where
            actions are discrete.
        num_actions: how many discrete actions there are, each of which is its number; 0 where
            actions are continuous or consist of several whole numbers.
        heads: how many values each component of a discrete action takes, where it consists of
            several; () elsewhere. Where `num_actions` is their product, an action is one number, of
            which the first component changes fastest; where it is 0, an action is
            `(…, len(heads))`, each component a whole number from 0.
        aggregates: of a game, names of what it shows of itself at every step.
        roles: of a game, who plays it; () where one agent acts. Then `heads` and `num_actions` are
            left out: a joint action has the choices of role after role, agent after agent, head
            after head, and an observation is whatever the environment shows of the whole game.
        state_dim: size of the last axis of a tensor environment's state.
        num_reset_draws, num_step_draws: uniform numbers on [0, 1) that one reset and one step
            consume; on the host, where seeds are all that is drawn, both are 0.
        terminates: whether any state is terminal; else only `steps_per_episode` ends an episode.
        horizon_steps: steps after which every episode has reached a terminal state; 0 where there
            is no such number.
        model: whose equations it follows, for solvers that know them; "" for none.
        num_kinds: how many states each household of such a model can be in; 0 where it has none.
        num_states: how many states all of them together can be in, such as those of productivity; 0
            where there are none.
        crowd_dim: numbers that such a model shows of all households beside their mean wealth.
        discount: β of its households; 0 where there are none.
        host_bytes: memory of one lane beside its tensors, where the environment runs on the host.
        total_timesteps: environment steps of a run, as the spec says; an environment need not.
        image: height, width and channels of an observation that is an image, whose components are
            row after row, channels last; () where it is none.
    """

    observation_low: tuple[float, ...]
    observation_high: tuple[float, ...]
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    num_actions: int = 0
    heads: tuple[int, ...] = ()
    roles: tuple[Role, ...] = ()
    aggregates: tuple[str, ...] = ()
    state_dim: int = 0
    num_reset_draws: int = 0
    num_step_draws: int = 0
    terminates: bool = True
    horizon_steps: int = 0
    model: str = ""
    num_kinds: int = 0
    num_states: int = 0
    crowd_dim: int = 0
    discount: float = 0.0
    host_bytes: int = 0
    total_timesteps: int = 0
    image: tuple[int, ...] = ()

    def problem(self) -> str:
        """What of it no environment can have, in words; "" if nothing."""
        for name, low, high in (
            ("observation", self.observation_low, self.observation_high),
            ("action", self.action_low, self.action_high),
        ):
            if len(low) != len(high):
                return f"{name}_low has {len(low)} numbers and {name}_high {len(high)}"
            for place, (least, greatest) in enumerate(zip(low, high, strict=True)):
                if not least <= greatest:
                    return f"{name}_low[{place}] is {least} and {name}_high[{place}] {greatest}"
        if problem := self._problem_of_observations() or self._problem_of_actions():
            return problem
        if not all(map(math.isfinite, (*self.action_low, *self.action_high))):
            return "actions are not bounded"
        counts = (self.num_actions, self.state_dim, self.num_reset_draws, self.num_step_draws)
        return "" if min(counts) >= 0 else "a count is negative"

    def _problem_of_observations(self) -> str:
        if not self.observation_low:
            return "an observation has no component"
        return "" if self.image == () else self._problem_of_image()

    def _problem_of_image(self) -> str:
        sides: object = self.image  # of a user's own class, anything
        is_image = isinstance(sides, tuple) and len(sides) == 3
        is_image = is_image and all(type(side) is int and side >= 1 for side in self.image)
        if is_image and math.prod(self.image) == self.observation_dim:
            return ""
        components = f"whole numbers from 1, of {self.observation_dim} components together"
        return f"image is {sides!r}, allowed: (height, width, channels), {components}"

    def _problem_of_actions(self) -> str:
        if self.roles:
            return self._problem_of_roles()
        counted = bool(self.num_actions or self.heads)
        if bool(self.action_low) == counted:
            both = "both num_actions and bounds" if counted else "neither"
            return f"it has {both}, allowed: num_actions or action_low and action_high"
        if self.heads and min(self.heads) < 1:
            return f"heads are {self.heads}, allowed: >= 1 each"
        if self.num_actions and self.heads and self.num_actions != math.prod(self.heads):
            product = math.prod(self.heads)
            return (
                f"num_actions is {self.num_actions}, allowed: 0 or the product of heads, {product}"
            )
        return ""

    def _problem_of_roles(self) -> str:
        if self.action_low or self.num_actions or self.heads:
            return "it has roles and actions beside them, allowed: the heads of roles alone"
        if len({role.name for role in self.roles}) < len(self.roles):
            return "two roles have one name"
        return next(filter(None, (role.problem() for role in self.roles)), "")

    def by_heads(self) -> Interface:
        """The same for an agent that chooses each component of a discrete action by itself."""
        return replace(self, num_actions=0) if self.heads else self

    @property
    def observation_dim(self) -> int:
        """Components of an observation."""
        return len(self.observation_low)

    @property
    def action_heads(self) -> tuple[int, ...]:
        """How many values each component of an action takes that is several whole numbers: `heads`,
        and in a game those of every agent, role after role; () of any other action."""
        if self.num_actions:
            return ()
        return self.heads + tuple(
            size for role in self.roles for _ in range(role.count) for size in role.heads
        )

    @property
    def action_dim(self) -> int:
        """Components of an action; 1 for a discrete one that is its number."""
        return 1 if self.num_actions else len(self.action_low) or len(self.action_heads)

    @property
    def discrete(self) -> bool:
        """Whether an action is one of finitely many."""
        return not self.action_low
