"""Keys and names in spec files of the older tool, and what they are here.

The tables hold everything that is read otherwise than it stands. Any other unknown key is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LINEAR = ("linearAC", "SoftmaxAC")
TILED = (*LINEAR, "Sarsa", "ExpectedSarsa")
EPSILON_GREEDY = ("epsgreedy", "epsgreedy_SGD", "epsgreedy_optimizer")
MIXTURE = "SquashedGaussianMixture"
OF_TILED = ("bins", "trace_type", "use_critic_trace", "use_actor_trace", "num_tilings", "decay")
"""Hyperparameters there of agents that tile observations, alone."""
UNCLIPPED = 1e30
"""`clip_stddev` that clips nothing: a float32 holds it and its inverse."""


@dataclass(frozen=True, slots=True)
class Unused:
    """A key that has no effect here.

    Attributes:
        instead: what takes its place, in a phrase.
        agents: those whose key it is, by their names here; empty for all.
        values: those with which alone it is passed over; empty for any.
        policies: the policies on which it has an effect there, with which it is refused.
    """

    instead: str
    agents: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    policies: tuple[str, ...] = ()


_RECORD = Unused("`record` of the environment's spec says what is kept")
_ONE_WAY = Unused("there is one way to take this gradient here", EPSILON_GREEDY)
_NO_TEMPERATURE = Unused("nothing of it is regularised by entropy", EPSILON_GREEDY)
_GUMBEL = Unused("components are not sampled by Gumbel-softmax", ("SAC",), (), (MIXTURE,))
_LOG_ODDS = Unused("a Gaussian mixture that is not squashed alone has it", ("SAC",))
_BOUNDED_BETA = Unused("a Beta's parameters have bounds of their own", ("SAC",), (), ("Beta",))
_NOT_TILED = Unused("linear agents tile observations: num_tilings, num_bins", (), (False,))

UNUSED_HYPERPARAMETERS: Mapping[str, tuple[Unused, ...]] = {
    "cuda": (Unused("--device says where runs train"),),
    "clip_actions": (Unused("actions always stay within the environment's bounds"),),
    "num_hidden": (Unused("networks have two hidden layers, hidden_dim wide"),),
    "gamma": (Unused("the environment's spec has it: --set environment.gamma"),),
    "seed": (Unused("seeds follow from stage and run number"),),
    "feature_size": (Unused("sizes follow from the environment"),),
    "use_tile_coding": (_NOT_TILED,),
    "use_true_q": (Unused("the critic is always learned", (), (False,)),),
    "state_path": (_RECORD,),
    "n_states_logged": (_RECORD,),
    "n_actions_logged": (_RECORD,),
    "log_actions_every": (_RECORD,),
    "record_current_state": (_RECORD,),
    "record_grad_norm": (_RECORD,),
    "record_entropy": (_RECORD,),
    "record_params": (_RECORD,),
    "record_values": (_RECORD,),
    "record_mixture_stat": (_RECORD,),
    "record_eval_state": (_RECORD,),
    "count_interval": (Unused("it is read nowhere", TILED),),
    "reparam_baseline": (_ONE_WAY,),
    "num_samples": (_ONE_WAY,),
    "reparameterized": (_ONE_WAY, Unused("likelihood ratios are its gradient", ("VAC", "FKL"))),
    "baseline_actions": (_ONE_WAY,),
    "double_q": (Unused("it has one critic", EPSILON_GREEDY),),
    "soft_q": (
        _NO_TEMPERATURE,
        Unused("its values have no entropy", ("GreedyACNoEntReg",), (False,)),
    ),
    "alpha": (
        _NO_TEMPERATURE,
        Unused("nothing of it is regularised by entropy", ("GreedyACNoEntReg",), (0, 0.0)),
    ),
    "alpha_lr": (_NO_TEMPERATURE, Unused("its temperature is fixed", ("VAC",))),
    "automatic_entropy_tuning": (_NO_TEMPERATURE,),
    "clip_stddev": (
        Unused("its policy has no σ", EPSILON_GREEDY),
        Unused("its policy has no σ", ("SoftmaxAC",)),
    ),
    "scaled": (Unused("its policy has no σ", ("SoftmaxAC",)),),
    "actor_lr_scale": (Unused("it has no actor network", EPSILON_GREEDY[1:]),),
    "temperature": (_GUMBEL,),
    "hard": (_GUMBEL,),
    "impl": (_GUMBEL,),
    "eps": (_GUMBEL,),
    "share_std": (Unused("every component has a σ", ("SAC",), (False,)),),
    "repulsive_coef": (Unused("components do not repel each other", ("SAC",), (0, 0.0)),),
    "lmbda": (_LOG_ODDS,),
    "eta": (_LOG_ODDS,),
    "latent_dim": (Unused("no policy here has latent variables", ("SAC",)),),
    "clip_min": (_BOUNDED_BETA,),
    "clip_max": (_BOUNDED_BETA,),
    "epsilon": (_BOUNDED_BETA,),
    "should_use_critic_target": (
        Unused("critics always have targets", ("GreedyACNoEntReg",), (True,)),
    ),
    "proposal_rho_scale": (
        Unused("the actor itself proposes actions", ("GreedyACNoEntReg",), (1, 1.0)),
    ),
}

UNUSED_FIELDS: Mapping[str, Unused] = {
    "use_tile_coding": _NOT_TILED,
    "use_full_tile_coding": _NOT_TILED,
    "accumulate_trace": Unused("traces end with their episode", (), (False,)),
    "max_episodes": Unused("a run lasts total_timesteps, whatever its episodes"),
    "seed": Unused("seeds follow from stage and run number"),
    "ctrl_cost_weight": Unused("the environment's own weight holds", (), (None,)),
    "sparsity_factor": Unused("the tolerance holds as it is", (), (None,)),
}
"""Of environment specs; keys that a spec may have with other values are here for null alone."""

OF_SUITE = {
    "shift": "rewards of the control suite are not shifted",
    "gamma": "rewards of the control suite are not shifted",
}
NOT_OF_SUITE = {"threshold": "rewards of the control suite alone have one"}
"""Keys of `rewards` that are not read there of an environment of the control suite, and of others,
and why."""


@dataclass(frozen=True, slots=True)
class AgentName:
    """What an agent's name of the older tool means.

    Attributes:
        name: of the agent here.
        implied: hyperparameter -> the value that goes without saying there.
        convolutional: whether it has to have convolutions, with one hidden layer behind them.
    """

    name: str
    implied: Mapping[str, Any] = field(default_factory=dict)
    convolutional: bool = False


_DISCRETE = {"policy_type": "Softmax"}
_FIXED = {**_DISCRETE, "automatic_entropy_tuning": False}
OF_CONVOLUTIONS = ("channels", "kernel_sizes")
"""Hyperparameters of agents with convolutions."""
CONVOLUTIONS = "convolutions"
"""The one that they are here."""
AGENT_NAMES: Mapping[str, AgentName] = {
    "sacdiscrete": AgentName("SAC", _FIXED),
    "vacdiscrete": AgentName("VAC", _DISCRETE),
    "greedyacdiscrete": AgentName("GreedyAC", _DISCRETE),
    "sacdiscretecnn": AgentName("SAC", _FIXED, convolutional=True),
    "vacdiscretecnn": AgentName("VAC", _DISCRETE, convolutional=True),
    "gaussianac": AgentName("linearAC"),
    "lineargaussianac": AgentName("linearAC"),
    "linearsoftmaxac": AgentName("SoftmaxAC"),
    "linearac_softmax": AgentName("SoftmaxAC"),
    "esarsa": AgentName("ExpectedSarsa"),
}
"""Name there in lower case, in which it takes any."""

RENAMED: Mapping[str, Mapping[str, str]] = {
    **{agent: {"bins": "num_bins", "trace_type": "trace"} for agent in LINEAR},
    **{
        agent: {"bins": "num_bins", "trace_type": "trace", "lr": "critic_lr"}
        for agent in ("Sarsa", "ExpectedSarsa")
    },
}
"""Agent -> hyperparameter there -> here."""

RENAMED_FIELDS: Mapping[str, Mapping[str, str]] = {
    "RBC": {"save_dense_every": "snapshot_interval_timesteps"},
}
"""Environment -> key there -> here."""

POLICY_TYPES: Mapping[str, Mapping[str, str]] = {
    "epsgreedy": {"SquashedGaussian": "DeterministicAction"},
    "epsgreedy_SGD": {"DeterministicAction": "GradientAscent"},
    "epsgreedy_optimizer": {
        "DeterministicAction": "CrossEntropySearch",
        "ScipyOptimizer": "CrossEntropySearch",
    },
}
"""Agent -> policy type there, which it does not read, -> the one here."""

MINATAR = "minatar"
MINATAR_GAMES: Mapping[str, str] = {
    "asterix": "Asterix",
    "breakout": "Breakout",
    "freeway": "Freeway",
    "seaquest": "Seaquest",
    "space_invaders": "SpaceInvaders",
    "spaceinvaders": "SpaceInvaders",
}
