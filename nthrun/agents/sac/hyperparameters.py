"""What a spec may say of SAC."""

from nthrun.agents.policies.sizes import POLICY_ACTIONS
from nthrun.agents.sac.footprint import sac_footprint
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.field import Field
from nthrun.specs.fitting import FitsPolicies

SAC = AgentDeclaration(
    name="SAC",
    program="nthrun.agents.sac.algorithm:SoftActorCritic",
    footprint=sac_footprint,
    fits=FitsPolicies(POLICY_ACTIONS),
    doc="Soft actor-critic with one critic or two and a fixed or tuned temperature.",
    source=(
        'Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications"; for discrete '
        'actions Christodoulou, 2019, "Soft Actor-Critic for Discrete Action Settings"'
    ),
    rules=(AtMost("batch_size", "replay_capacity"),),
    hyperparameters=(
        Field(
            "policy_type",
            "str",
            "SquashedGaussian",
            "distribution over actions; Softmax is for discrete ones",
            choices=tuple(POLICY_ACTIONS),
            static=True,
        ),
        Field(
            "num_components",
            "int",
            2,
            "components of a SquashedGaussianMixture",
            minimum=1,
            maximum=1000,
            static=True,
        ),
        Field(
            "reparam_baseline",
            "parts",
            (True, 0),
            "gradient of the actor: reparameterised, or else by likelihood ratios less the mean "
            "of baseline_actions sampled actions; Softmax has the exact one",
            parts=(
                Field("reparam", "bool", True, "whether actions are reparameterised"),
                Field(
                    "baseline_actions",
                    "int",
                    0,
                    "actions of a likelihood ratio's baseline; 0 is no baseline",
                    minimum=0,
                    maximum=10**6,
                ),
            ),
            static=True,
        ),
        Field(
            "num_samples",
            "int",
            1,
            "continuous actions sampled in a state to update the actor",
            minimum=1,
            maximum=10**6,
            static=True,
        ),
        Field(
            "soft_q",
            "bool",
            True,
            "whether the critic's target has the policy's entropy",
            static=True,
        ),
        Field(
            "double_q",
            "bool",
            True,
            "two critics and the smaller of their values, or one critic",
            static=True,
        ),
        Field("critic_lr", "float", 3e-4, "critic step size", minimum=0),
        Field(
            "actor_lr_scale", "float", 1.0, "actor step size as a multiple of critic_lr", minimum=0
        ),
        Field("alpha", "float", 0.2, "temperature; its first value if it is tuned", above=0),
        Field("automatic_entropy_tuning", "bool", True, "whether to tune alpha", static=True),
        Field("alpha_lr", "float", 3e-4, "step size of log alpha", minimum=0),
        Field(
            "tau",
            "float",
            0.005,
            "weight of the critic in its target's average",
            minimum=0,
            maximum=1,
        ),
        Field(
            "target_update_interval",
            "int",
            1,
            "steps between updates of the target critic",
            minimum=1,
            maximum=10**9,
            static=True,
        ),
        Field(
            "betas",
            "floats",
            (0.9, 0.999),
            "Adam's decay rates",
            minimum=0,
            maximum=0.999999,
            length=2,
        ),
        Field(
            "batch_size",
            "int",
            32,
            "steps in one update's batch",
            minimum=1,
            maximum=10**6,
            static=True,
        ),
        Field(
            "replay_capacity",
            "int",
            100_000,
            "most recent steps kept",
            minimum=1,
            maximum=10**9,
            static=True,
        ),
        Field(
            "hidden_dim",
            "int",
            64,
            "width of both hidden layers",
            minimum=2,
            maximum=16_384,
            static=True,
        ),
        Field(
            "activation",
            "str",
            "relu",
            "activation of the hidden layers",
            choices=("relu", "tanh"),
            static=True,
        ),
        Field(
            "weight_init",
            "str",
            "xavier_uniform",
            "distribution of the first weights",
            choices=("xavier_uniform", "kaiming_uniform"),
            static=True,
        ),
        Field(
            "clip_stddev",
            "float",
            1000.0,
            "the policy's σ stays within [1/clip_stddev, clip_stddev]",
            above=1,
            static=True,
        ),
        Field(
            "uniform_exploration_steps",
            "int",
            0,
            "first steps whose actions are uniform",
            minimum=0,
            maximum=10**12,
            static=True,
        ),
        Field(
            "steps_before_learning",
            "int",
            0,
            "steps before the first update",
            minimum=0,
            maximum=10**12,
            static=True,
        ),
    ),
)
