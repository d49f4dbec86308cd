"""What a spec may say of PPO, and what a lane costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nthrun.agents.fields import BETAS, SCHEDULE, WORLDS, policy_type
from nthrun.agents.layouts import FLOAT_BYTES, adam_shapes, columns
from nthrun.agents.sizes import HIDDEN_MULTIPLE, MLPShape, padded_width, row_widths
from nthrun.specs.declaration import (
    NUM_WORLDS,
    AgentDeclaration,
    Divides,
    FitsPolicies,
    Setting,
)
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout, Shapes

UPDATE_COPIES = 4
"""Copies that an update holds of the numbers it goes through [measured]."""
GATHER_COPIES = 2
"""The same of gathering, which takes no gradients [measured]."""
COLUMNS = ("lr", "gae_lambda", "clip_range", "entropy_weight", "value_weight", "adam_epsilon")
"""Hyperparameters that are numbers of a lane, in its state by name."""
BOUNDS = ("clip_range_vf", "max_grad_norm", "target_kl")
"""The same where 0 stands for none, which is infinite in the state."""
METRICS = (
    *("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction"),
    *("grad_norm", "updates_used"),
)


@dataclass(frozen=True, slots=True)
class PPOSizes:
    """Sizes of what PPO is made of.

    Attributes:
        networks: policy and value, or both of one trunk, whose last output is the value.
        num_outputs: of the policy for a state.
        num_log_std: components of log σ, which follow the networks in the block of parameters.
        rollout: steps of a rollout.
        row: widths of a stored step: observation, raw action, reward, next observation, whether the
            state was terminal, whether the episode ended.
        table: widths of what updates learn from: observation, raw action, its log-density, value,
            advantage, return.
    """

    networks: Mapping[str, MLPShape]
    num_outputs: int
    num_log_std: int
    rollout: int
    row: tuple[int, ...]
    table: tuple[int, ...]

    def block(self) -> list[int]:
        """Entries of each part of the block of parameters, padded."""
        parts = [network.num_params() for network in self.networks.values()]
        log_std = padded_width(self.num_log_std, HIDDEN_MULTIPLE)
        return [*parts, log_std] if self.num_log_std else parts


def heads(environment: Interface) -> tuple[int, ...]:
    """How many values each component of a discrete action takes; () of continuous ones."""
    return environment.action_heads or (environment.num_actions,) * environment.discrete


def ppo_sizes(setting: Setting, environment: Interface) -> PPOSizes:
    """The sizes that a setting asks for."""
    observation, hidden = environment.observation_dim, (setting["hidden_dim"],) * 2
    outputs = sum(heads(environment)) or environment.action_dim
    networks = {
        "policy": MLPShape(observation, hidden, outputs),
        "value": MLPShape(observation, hidden, 1),
    }
    if setting["shared_trunk"]:
        networks = {"policy_value": MLPShape(observation, hidden, outputs + 1)}
    return PPOSizes(
        networks,
        outputs,
        0 if environment.discrete else environment.action_dim,
        setting["n_steps"] * setting[NUM_WORLDS],
        (*row_widths(environment), 1),
        (observation, environment.action_dim, 1, 1, 1, 1),
    )


def num_updates(setting: Setting) -> int:
    """Updates after a rollout."""
    names = ("n_steps", NUM_WORLDS, "n_epochs", "batch_size")
    steps, worlds, epochs, batch = (int(setting[name]) for name in names)
    return epochs * steps * worlds // batch


def statistics_shapes(setting: Setting, environment: Interface) -> Shapes:
    """Statistics of observations and of returns, where they are normalised by them."""
    widths = {"observation": environment.observation_dim} if _observations(setting) else {}
    widths |= {"return": 1} if setting["normalise_rewards"] else {}
    return {
        f"{name}.{kept}": (1,) if kept == "count" else (width,)
        for name, width in widths.items()
        for kept in ("count", "mean", "variance")
    }


def _observations(setting: Setting) -> bool:
    return bool(setting["normalise_observations"])


def ppo_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of PPO."""
    sizes, size = ppo_sizes(setting, environment), environment.action_dim
    rollout, block, worlds = sizes.rollout, sum(sizes.block()), setting[NUM_WORLDS]
    statistics = statistics_shapes(setting, environment)
    raw = {} if environment.discrete else {"raw_action": (worlds, size)}
    running = {"running_return": (1, worlds)} if setting["normalise_rewards"] else {}
    named: dict[str, tuple[int, ...]] = {}
    for name, network in sizes.networks.items():
        named |= network.named_shapes(f"{name}.")
    named |= {"policy.log_std": (size,)} if sizes.num_log_std else {}
    layers = sum(sum(network.widths()) for network in sizes.networks.values())
    update = UPDATE_COPIES * (setting["batch_size"] * (layers + sum(sizes.table)) + block)
    gathered = GATHER_COPIES * rollout * (2 * layers + sum(sizes.row) + sum(sizes.table))
    return Layout(
        state={
            **adam_shapes({"network": (block,)}),
            **columns("gamma", *COLUMNS, *BOUNDS, "stopped", "updates_used"),
            "rollout": (rollout, sum(sizes.table)),
            **statistics,
            **raw,
            **running,
        },
        learned={**named, **statistics},
        metrics=METRICS,
        num_agent_draws=worlds * size,
        num_replay_draws=setting["batch_size"],
        replay_capacity=rollout,
        replay_width=sum(sizes.row),
        update_bytes=FLOAT_BYTES * max(update, gathered),
        acting_bytes=FLOAT_BYTES * UPDATE_COPIES * layers,
        max_updates=num_updates(setting),
        update_interval=setting["n_steps"],
        gathers=True,
    )


NOTES = (
    "Beyond the paper, as in its authors' program: orthogonal first weights, Adam's ε of 1e-5, "
    "advantages brought to mean 0 and deviation 1 in each batch, a bound on the gradient's length, "
    "a clipped error of values, a falling step size, `target_kl`, and normalised observations and "
    "rewards.",
    "In Stable-Baselines3 the updates of a rollout end where the divergence of a batch is more "
    "than 1.5 times `target_kl`; here where it is more than `target_kl`.",
    "There a falling step size is what is left when a rollout has ended; here when it begins, so "
    "that the first updates have all of it and the last ones some.",
    "There the error of clipped values alone is descended; here the larger of it and that of "
    "values as they are, as in the authors' program.",
    "There the last batch of an epoch may be smaller; here `batch_size` divides a rollout.",
    "There a run takes whole rollouts, beyond `total_timesteps` where they do not divide it; here "
    "it ends at `total_timesteps`, and what is left of a rollout is not learned from.",
    "There the policy is over actions in the environment's units, in which σ begins at 1; here "
    "over actions in [-1, 1], which are scaled to its bounds. In neither is σ bounded.",
    "There `VecNormalize` changes the statistics of observations and returns at every step; here "
    "they change between rollouts. Both keep what they normalise within ±10.",
    "There `clip_range` may fall as well, and None is no bound on values or divergence; here it "
    "stays, and 0 is none. State-dependent exploration is there alone, a shared trunk here.",
)

_SHARED = {field.name: field for field in SCHEDULE}

PPO = AgentDeclaration(
    name="PPO",
    program="nthrun.agents.ppo.program:ProximalPolicyOptimisation",
    layout=ppo_layout,
    fits=FitsPolicies({"Gaussian": "continuous", "Softmax": "discrete"}, by_heads=True),
    takes_heads=True,
    rollout=("n_steps", NUM_WORLDS),
    doc="Proximal policy optimisation: rollouts, generalised advantages, and epochs of minibatches "
    "on a clipped ratio. It is A2C with `n_epochs` 1 and `batch_size` as large as the rollout, for "
    "the ratio is 1 then and nothing is clipped; A2C usually has `n_steps` 5, `lr` 0.0007, "
    "`gae_lambda` 1, `normalise_advantages` false, and `betas` [0, 0.99] for steps like RMSprop's.",
    source='Schulman et al., 2017, "Proximal Policy Optimization Algorithms"; advantages by '
    'Schulman et al., 2016, "High-Dimensional Continuous Control Using Generalized Advantage '
    'Estimation"',
    notes=NOTES,
    rules=(Divides("batch_size", ("n_steps", NUM_WORLDS)),),
    hyperparameters=(
        replace(
            policy_type("Gaussian", "Softmax"),
            doc="distribution over actions; a Gaussian's σ is the same in all states, and what "
            "lies beyond the bounds is cut there; Softmax is for discrete ones, "
            "one for each component",
        ),
        Field(
            "n_steps",
            "int",
            2048,
            "steps of a rollout in each world, after which it learns; what is left of one at the "
            "end is not learned from",
            minimum=1,
            maximum=10**6,
            static=True,
        ),
        WORLDS,
        replace(_SHARED["batch_size"], default=64),
        Field(
            "n_epochs",
            "int",
            10,
            "times that updates go through a rollout, each in a new order",
            minimum=1,
            maximum=1000,
            static=True,
        ),
        Field("lr", "float", 3e-4, "step size", minimum=0),
        Field(
            "lr_schedule",
            "str",
            "constant",
            "whether the step size stays, or falls in a line to 0 over total_timesteps",
            choices=("constant", "linear"),
            static=True,
        ),
        Field("gae_lambda", "float", 0.95, "λ of the advantages", minimum=0, maximum=1),
        Field("clip_range", "float", 0.2, "ε, how far the ratio is followed from 1", above=0),
        Field(
            "clip_range_vf",
            "float",
            0.0,
            "how far a value is followed from that before the updates; 0 is any way",
            minimum=0,
        ),
        Field(
            "normalise_advantages",
            "bool",
            True,
            "whether advantages of a batch are brought to mean 0 and deviation 1",
            static=True,
        ),
        Field("entropy_weight", "float", 0.0, "weight of the policy's entropy", minimum=0),
        Field("value_weight", "float", 0.5, "weight of the squared error of values", minimum=0),
        Field(
            "max_grad_norm",
            "float",
            0.5,
            "a longer gradient, of policy and value together, is cut to this length; 0 cuts none",
            minimum=0,
        ),
        Field(
            "target_kl",
            "float",
            0.0,
            "divergence from the policy of the rollout beyond which the updates that are left "
            "change nothing; 0 is none",
            minimum=0,
        ),
        BETAS,
        Field("adam_epsilon", "float", 1e-5, "ε of Adam", above=0),
        Field("log_std_init", "float", 0.0, "first log σ, of actions in [-1, 1]"),
        Field(
            "shared_trunk",
            "bool",
            False,
            "whether policy and value share their hidden layers",
            static=True,
        ),
        _SHARED["hidden_dim"],
        replace(_SHARED["activation"], default="tanh"),
        replace(
            _SHARED["weight_init"],
            default="orthogonal",
            choices=("orthogonal", "xavier_uniform", "kaiming_uniform"),
            doc="distribution of the first weights; orthogonal ones are scaled by √2, the policy's "
            "last by 0.01 and the value's last by 1",
        ),
        Field(
            "normalise_observations",
            "bool",
            False,
            "whether observations are brought to mean 0 and deviation 1 by the statistics of all "
            "rollouts before",
            static=True,
        ),
        Field(
            "normalise_rewards",
            "bool",
            False,
            "whether rewards are divided by the deviation of discounted returns up to now",
            static=True,
        ),
    ),
)
